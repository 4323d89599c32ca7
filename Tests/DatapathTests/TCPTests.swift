// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct TCPTests {
    @Test(arguments: Family.allCases)
    func `a connection between two pods goes through its states`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            func entry() throws -> FlowEntry { try lab.onlyFlow() }

            #expect(try lab.send(talk.opening, by: lab.a).action == .redirect)
            #expect(try entry().initiator == talk.client)
            #expect(try entry().value.drop == 0)
            #expect(try !entry().has(DP_FLOW_REPLIED))
            #expect(try entry().end(of: talk.client).endpoint == lab.a.number)
            #expect(try entry().end(of: talk.server).endpoint == lab.b.number)
            #expect(try entry().end(of: talk.server).ifindex == lab.b.ifindex)
            #expect(try entry().value.epoch == lab.datapath.shared.epoch)

            #expect(try lab.send(talk.fromServer(.synAck), by: lab.b).action == .redirect)
            #expect(try entry().has(DP_FLOW_REPLIED))
            #expect(try !entry().has(DP_FLOW_ACKED))

            #expect(try lab.send(talk.fromClient(.ack), by: lab.a).action == .redirect)
            #expect(try entry().has(DP_FLOW_ACKED))
            for _ in 0..<3 {
                #expect(try lab.send(talk.fromClient(.push, payload: [1, 2, 3]), by: lab.a).action == .redirect)
                #expect(try lab.send(talk.fromServer(.push, payload: [4, 5]), by: lab.b).action == .redirect)
            }
            #expect(try !entry().hasFIN(of: talk.client))
            #expect(try !entry().hasFIN(of: talk.server))

            #expect(try lab.send(talk.fromClient(.finAck), by: lab.a).action == .redirect)
            #expect(try entry().hasFIN(of: talk.client))
            #expect(try !entry().hasFIN(of: talk.server))
            #expect(try lab.send(talk.fromServer(.finAck), by: lab.b).action == .redirect)
            #expect(try entry().hasFIN(of: talk.server))
            #expect(try lab.send(talk.fromClient(.ack), by: lab.a).action == .redirect)
            #expect(try !entry().has(DP_FLOW_RESET))
            #expect(try lab.send(talk.fromServer(.rstAck), by: lab.b).action == .redirect)
            #expect(try entry().has(DP_FLOW_RESET))
            #expect(try entry().initiator == talk.client)
        }
    }

    @Test(arguments: Family.allCases)
    func `a connection to the outside and one from it`(family: Family) throws {
        try Lab.run { lab throws in
            let out = try lab.establish(lab.a, to: Peers.world.address(family))
            #expect(try lab.flow(of: out.opening)?.initiator == lab.a.address(family))
            #expect(try lab.flow(of: out.opening)?.has(DP_FLOW_ACKED) == true)
            #expect(try lab.flow(of: out.opening)?.end(of: out.server).endpoint == 0)
            #expect(try lab.deliver(out.fromServer(.push), to: lab.a).action == .pass)

            let back = try lab.establish(from: Peers.world.address(family), to: lab.a, sport: 50_000)
            #expect(try lab.flow(of: back.opening)?.initiator == Peers.world.address(family))
            #expect(try lab.flow(of: back.opening)?.has(DP_FLOW_ACKED) == true)
            #expect(try lab.send(back.fromServer(.finAck), by: lab.a).action == .pass)
            #expect(try lab.flow(of: back.opening)?.hasFIN(of: lab.a.address(family)) == true)
            #expect(try lab.flows().count == 2)
        }
    }

    @Test(arguments: Family.allCases)
    func `an established connection needs no policy of its answers`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([
                lab.a: TestPolicy(ingress: [:], egress: [lab.b.classID: .only(.allow(.tcp, 80))]),
                lab.b: TestPolicy(ingress: [lab.a.classID: .only(.allow(.tcp, 80))], egress: [:]),
            ])
            let talk = try lab.establish(lab.a, lab.b, family)
            #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect)
            #expect(
                try lab.send(
                    Talk(client: talk.server, server: talk.client, sport: 81, dport: 40_000).opening, by: lab.b
                )
                .action == .drop(DP_DROP_POLICY_DENIED))
            let other = Talk(client: talk.client, server: talk.server, dport: 81)
            #expect(try lab.send(other.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.flow(of: other.opening) == nil, "a refused connection takes no entry")
        }
    }

    @Test(arguments: Family.allCases)
    func `the port that rules speak of is the one that was opened`(family: Family) throws {
        try Lab.run { lab throws in
            // The source port is the one that is allowed: that must not help.
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.tcp, 80))])])
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family), sport: 80, dport: 81)
            #expect(try lab.send(talk.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.send(talk.fromClient(.ack), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: Family.allCases)
    func `ports in use before are opened anew`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            _ = try lab.send(talk.fromClient(.finAck), by: lab.a)
            _ = try lab.send(talk.fromServer(.rstAck), by: lab.b)
            #expect(try lab.onlyFlow().has(DP_FLOW_RESET))
            #expect(try lab.send(talk.opening, by: lab.a).action == .redirect)
            let flags =
                DP_FLOW_RESET.rawValue | DP_FLOW_FIN_0.rawValue | DP_FLOW_FIN_1.rawValue | DP_FLOW_ACKED.rawValue
            #expect(try lab.onlyFlow().value.flags & flags == 0)
            #expect(try lab.onlyFlow().initiator == talk.client)
        }
    }

    @Test(arguments: Family.allCases)
    func `a SYN of the end that answered is judged by its own rules`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .allowAll], egress: [:])])
            let talk = try lab.establish(lab.a, lab.b, family)
            #expect(try lab.send(talk.fromServer(.syn), by: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
            // The connection that was there is as it was.
            #expect(try lab.onlyFlow().initiator == talk.client)
            #expect(try lab.onlyFlow().has(DP_FLOW_ACKED))
            #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect)

            try lab.enforce([lab.b: .open])
            #expect(try lab.send(talk.fromServer(.syn), by: lab.b).action == .redirect)
            #expect(try lab.onlyFlow().initiator == talk.server)
        }
    }

    @Test(arguments: Family.allCases)
    func `a SYN after the policy has changed is judged though the connection is known`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            try lab.enforce([lab.b: .closed])
            #expect(try lab.send(talk.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: Family.allCases)
    func `the middle of an unknown connection is judged like its beginning`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            try lab.enforce([lab.b: TestPolicy(ingress: [:])])
            #expect(try lab.send(talk.fromClient(.ack), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.tcp, 80))])])
            #expect(try lab.send(talk.fromClient(.ack), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().initiator == talk.client)
        }
    }

    @Test(arguments: Family.allCases, [TCPFlags.rst, .rstAck, .finAck])
    func `the end of an unknown connection begins none`(family: Family, flags: TCPFlags) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            let made = try lab.packets(at: DP_COUNT_NEW)
            #expect(try lab.send(talk.fromClient(flags), by: lab.a).action == .redirect)
            #expect(try lab.flows().isEmpty)
            #expect(try lab.packets(at: DP_COUNT_NEW) == made)
            try lab.enforce([lab.b: .closed])
            #expect(try lab.send(talk.fromClient(flags), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: Family.allCases)
    func `only combinations of flags that a TCP sends are let pass`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            let valid: Set<UInt8> = [0x02, 0x12, 0x10, 0x11, 0x04, 0x14]
            for flags in (0..<32).map(UInt8.init) {
                let packet = talk.fromClient(TCPFlags(rawValue: flags))
                let action = try lab.send(packet, by: lab.a).action
                if valid.contains(flags & 0x17) {
                    // A SYN+ACK of the initiator belongs to a known connection, too.
                    #expect(!action.isDrop, "flags \(flags)")
                } else {
                    #expect(action == .drop(DP_DROP_INVALID_PACKET), "flags \(flags)")
                }
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `TCP and SCTP have no port 0, UDP may send from it`(family: Family) throws {
        try Lab.run { lab throws in
            let (from, to) = (lab.a.address(family), lab.b.address(family))
            func action(_ packet: Packet) throws -> Action { try lab.send(packet, by: lab.a).action }
            #expect(try action(.tcp(from: from, to: to, sport: 0, dport: 80)) == .drop(DP_DROP_INVALID_PACKET))
            #expect(try action(.tcp(from: from, to: to, sport: 80, dport: 0)) == .drop(DP_DROP_INVALID_PACKET))
            #expect(try action(.sctp(from: from, to: to, sport: 0, dport: 80)) == .drop(DP_DROP_INVALID_PACKET))
            #expect(try action(.sctp(from: from, to: to, sport: 80, dport: 0)) == .drop(DP_DROP_INVALID_PACKET))
            #expect(try action(.udp(from: from, to: to, sport: 80, dport: 0)) == .drop(DP_DROP_INVALID_PACKET))
            #expect(try action(.udp(from: from, to: to, sport: 0, dport: 80)) == .redirect)
        }
    }

    @Test(arguments: Family.allCases)
    func `two connections that differ in one port are two flows`(family: Family) throws {
        try Lab.run { lab throws in
            _ = try lab.establish(lab.a, lab.b, family)
            _ = try lab.establish(lab.a, lab.b, family, sport: 40_001)
            _ = try lab.establish(lab.b, lab.a, family)
            _ = try lab.establish(lab.a, lab.c, family)
            #expect(try lab.flows().count == 4)
        }
    }
}

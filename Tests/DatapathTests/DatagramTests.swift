// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// UDP, SCTP and pings.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct DatagramTests {
    @Test(arguments: Family.allCases)
    func `UDP goes both ways once it is allowed one way`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [:]), lab.b: TestPolicy(egress: [:])])
            let ask = Packet.udp(from: lab.a.address(family), to: lab.b.address(family), sport: 5000, dport: 53)
            #expect(try lab.send(ask.reply, by: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.send(ask, by: lab.a).action == .redirect)
            #expect(try !lab.onlyFlow().has(DP_FLOW_REPLIED))
            #expect(try lab.send(ask.reply, by: lab.b).action == .redirect)
            #expect(try lab.onlyFlow().has(DP_FLOW_REPLIED))
            #expect(try lab.onlyFlow().initiator == lab.a.address(family))
            let other = Packet.udp(from: lab.b.address(family), to: lab.a.address(family), sport: 53, dport: 5001)
            #expect(try lab.send(other, by: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: Family.allCases)
    func `UDP to and from outside`(family: Family) throws {
        try Lab.run { lab throws in
            let ask = Packet.udp(from: lab.a.address(family), to: Peers.world.address(family), sport: 5000, dport: 53)
            #expect(try lab.send(ask, by: lab.a).action == .pass)
            #expect(try lab.deliver(ask.reply, to: lab.a).action == .pass)
            try lab.enforce([lab.b: TestPolicy(ingress: [Peers.world.classID(family): .only(.allow(.udp, 53))])])
            let asked = Packet.udp(from: Peers.world.address(family), to: lab.b.address(family), sport: 9, dport: 53)
            #expect(try lab.deliver(asked, to: lab.b).action == .pass)
            #expect(try lab.send(asked.reply, by: lab.b).action == .pass)
            let refused = Packet.udp(from: Peers.remote.address(family), to: lab.b.address(family), sport: 9, dport: 53)
            #expect(try lab.deliver(refused, to: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: Family.allCases)
    func `SCTP associations are opened, acknowledged, and shut down or aborted`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([
                lab.a: TestPolicy(ingress: [:]), lab.b: TestPolicy(ingress: [0: .only(.allow(.sctp, 80))], egress: [:]),
            ])
            let (client, server) = (lab.a.address(family), lab.b.address(family))
            func ask(_ chunk: SCTPHeader.Chunk, sport: UInt16 = 9) -> Packet {
                .sctp(from: client, to: server, sport: sport, dport: 80, chunks: [chunk])
            }
            func answer(_ chunk: SCTPHeader.Chunk) -> Packet {
                .sctp(from: server, to: client, sport: 80, dport: 9, chunks: [chunk])
            }
            #expect(
                try lab.send(answer(.initiationAcknowledgement), by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
            #expect(try lab.send(answer(.initiation), by: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.send(ask(.initiation), by: lab.a).action == .redirect)
            #expect(try lab.send(answer(.initiationAcknowledgement), by: lab.b).action == .redirect)
            #expect(try lab.onlyFlow().has(DP_FLOW_REPLIED))
            #expect(try lab.send(ask(.cookieEcho), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().has(DP_FLOW_ACKED))
            #expect(try lab.send(answer(.cookieAcknowledgement), by: lab.b).action == .redirect)
            #expect(try lab.send(ask(.data), by: lab.a).action == .redirect)
            #expect(try !lab.onlyFlow().hasFIN(of: client))
            #expect(try lab.send(ask(.shutdown), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().hasFIN(of: client))
            #expect(try lab.send(answer(.shutdownAcknowledgement), by: lab.b).action == .redirect)
            #expect(try lab.onlyFlow().hasFIN(of: server))
            #expect(try lab.send(ask(.shutdownComplete), by: lab.a).action == .redirect)

            #expect(try lab.send(ask(.initiation), by: lab.a).action == .redirect)
            #expect(try !lab.onlyFlow().hasFIN(of: client))
            #expect(try lab.send(ask(.abort), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().has(DP_FLOW_RESET))
            #expect(try lab.send(ask(.abort, sport: 10), by: lab.a).action == .redirect)
            #expect(try lab.flows().count == 1, "an abort begins no association")
        }
    }

    @Test(arguments: Family.allCases)
    func `a ping is answered, and pings both ways are two flows`(family: Family) throws {
        try Lab.run { lab throws in
            let (a, b) = (lab.a.address(family), lab.b.address(family))
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(family.icmp, UInt16(family.echoRequest)))])])
            #expect(try lab.send(.echoRequest(from: a, to: b, id: 7), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().key.requester == (lab.onlyFlow().index(of: a) == 0 ? 1 : 2))
            #expect(try lab.send(.echoReply(from: b, to: a, id: 7), by: lab.b).action == .redirect)
            #expect(try lab.onlyFlow().has(DP_FLOW_REPLIED))

            // The answer to b's ping must not pass on the strength of a's.
            #expect(try lab.send(.echoReply(from: a, to: b, id: 7), by: lab.a).action == .drop(DP_DROP_UNKNOWN_FLOW))
            #expect(try lab.send(.echoRequest(from: b, to: a, id: 7), by: lab.b).action == .redirect)
            #expect(try lab.send(.echoReply(from: a, to: b, id: 7), by: lab.a).action == .redirect)
            #expect(try lab.flows().count == 2)
            #expect(try lab.send(.echoReply(from: b, to: a, id: 8), by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
        }
    }

    @Test(arguments: Family.allCases)
    func `pings are judged by protocol and type`(family: Family) throws {
        try Lab.run { lab throws in
            let ping = Packet.echoRequest(from: lab.a.address(family), to: lab.b.address(family), id: 1)
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.tcp, 80), .allow(.udp, 8))])])
            #expect(try lab.send(ping, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .allBut(.deny(family.icmp, UInt16(family.echoRequest)))])])
            #expect(try lab.send(ping, by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .allBut(.deny(family.icmp, UInt16(family.echoReply)))])])
            #expect(try lab.send(ping, by: lab.a).action == .redirect)
        }
    }

    @Test(arguments: Family.allCases)
    func `pings to and from outside`(family: Family) throws {
        try Lab.run { lab throws in
            let (pod, world) = (lab.a.address(family), Peers.world.address(family))
            #expect(try lab.send(.echoRequest(from: pod, to: world, id: 3), by: lab.a).action == .pass)
            #expect(try lab.deliver(.echoReply(from: world, to: pod, id: 3), to: lab.a).action == .pass)
            #expect(try lab.deliver(.echoRequest(from: world, to: pod, id: 4), to: lab.a).action == .pass)
            #expect(try lab.send(.echoReply(from: pod, to: world, id: 4), by: lab.a).action == .pass)
        }
    }

    @Test(arguments: Family.allCases)
    func `protocols with the same ports are different flows`(family: Family) throws {
        try Lab.run { lab throws in
            let (a, b) = (lab.a.address(family), lab.b.address(family))
            _ = try lab.send(.udp(from: a, to: b, sport: 7, dport: 9), by: lab.a)
            _ = try lab.send(.tcp(from: a, to: b, sport: 7, dport: 9), by: lab.a)
            _ = try lab.send(.sctp(from: a, to: b, sport: 7, dport: 9), by: lab.a)
            #expect(try Set(lab.flows().map(\.key.protocol)) == [6, 17, 132])
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Who a packet is from, and who it can't be from.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct SenderTests {
    @Test(arguments: Family.allCases)
    func `a pod sends by its own addresses only`(family: Family) throws {
        try Lab.run { lab throws in
            let strangers = [Peers.host, Peers.remote, Peers.world, Peers.node].map { $0.address(family) }
            let lies = [
                lab.b.address(family), address(family == .ipv4 ? "0.0.0.0" : "::"),
                address(family == .ipv4 ? "127.0.0.1" : "::1"),
            ]
            for source in strangers + lies {
                let packet = Talk(client: source, server: lab.c.address(family)).opening
                #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_INVALID_SOURCE_IP), "\(source)")
                // Nor as part of a connection.
                let middle = Talk(client: source, server: lab.c.address(family)).fromClient(.ack)
                #expect(try lab.send(middle, by: lab.a).action == .drop(DP_DROP_INVALID_SOURCE_IP), "\(source)")
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `a pod can't speak in another's connection`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            for packet in [talk.fromClient(.push), talk.fromServer(.push), talk.fromServer(.rstAck)] {
                #expect(try lab.send(packet, by: lab.c).action == .drop(DP_DROP_INVALID_SOURCE_IP))
                // Not even to the gateway of the pod whose packet it should be.
                for pod in [lab.a, lab.b] {
                    let frame = packet.macs(from: pod.mac, to: pod.gateway).bytes
                    #expect(try lab.sendFrame(frame, on: lab.c.ifindex).action == .drop(DP_DROP_NO_ENDPOINT))
                }
                #expect(try lab.deliver(packet, to: lab.b, ingress: lab.c.ifindex).action.isDrop)
            }
            // The other end by its own device, but as the first.
            #expect(try lab.send(talk.fromClient(.push), by: lab.b).action == .drop(DP_DROP_INVALID_SOURCE_IP))
            #expect(try !lab.onlyFlow().has(DP_FLOW_RESET))

            let out = try lab.establish(lab.a, to: Peers.remote.address(family))
            #expect(try lab.send(out.fromServer(.push), by: lab.c).action == .drop(DP_DROP_INVALID_SOURCE_IP))
            #expect(try lab.send(out.fromClient(.push), by: lab.c).action == .drop(DP_DROP_INVALID_SOURCE_IP))
        }
    }

    @Test(arguments: Family.allCases)
    func `a lying source MAC never reaches anybody`(family: Family) throws {
        try Lab.run { lab throws in
            let packet = Talk(client: lab.a.address(family), server: lab.b.address(family)).opening
            let frame = packet.macs(from: lab.c.mac, to: lab.a.gateway).bytes
            let out = try lab.sendFrame(frame, on: lab.a.ifindex)
            #expect(out.action == .redirect)
            #expect(out.packet?.sourceMAC == lab.b.gateway)
        }
    }

    @Test(arguments: Family.allCases)
    func `a frame must be for the gateway of the device it came by`(family: Family) throws {
        try Lab.run { lab throws in
            let packet = Talk(client: lab.a.address(family), server: lab.b.address(family)).opening
            for number in [0, 2, 3, 4, 31, 32, 4_095, 65_535].map(UInt16.init) {
                let frame = packet.macs(from: lab.a.mac, to: .gateway(endpoint: number)).bytes
                #expect(try lab.sendFrame(frame, on: lab.a.ifindex).action == .drop(DP_DROP_NO_ENDPOINT), "\(number)")
            }
            let frame = packet.sent(by: lab.a).bytes
            #expect(try lab.sendFrame(frame, on: lab.uplink).action == .drop(DP_DROP_NO_ENDPOINT))
        }
    }

    @Test(arguments: Family.allCases)
    func `unusable destinations are refused`(family: Family) throws {
        try Lab.run { lab throws in
            let targets =
                family == .ipv4
                ? ["0.0.0.0", "0.1.2.3", "127.0.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"]
                : ["ff02::1", "ff05::2", "ffff::1"]
            for target in targets {
                let packet = Packet.udp(from: lab.a.address(family), to: address(target), sport: 1, dport: 2)
                #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_UNKNOWN_TARGET), "\(target)")
            }
        }
    }

    @Test func `addresses that only mean this node are refused`() throws {
        try Lab.run { lab throws in
            for target in ["::", "::1"] {
                let packet = Packet.udp(from: lab.a.ipv6, to: address(target), sport: 1, dport: 2)
                #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_UNKNOWN_TARGET), "\(target)")
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `this node's own processes reach its pods, whatever the policy`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [0: .denyAll], egress: [0: .denyAll])])
            let source = Peers.host.address(family)
            let talk = try lab.establish(from: source, to: lab.a, ingress: 0)
            #expect(try lab.flow(of: talk.opening)?.has(DP_FLOW_FROM_NODE) == true)
            #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .pass)
            // A bump does not change it.
            lab.datapath.judgeAgain()
            #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .pass)
            #expect(try lab.flow(of: talk.opening)?.initiator == source)
            lab.datapath.judgeAgain()
            #expect(try lab.deliver(talk.fromClient(.push), to: lab.a, ingress: 0).action == .pass)
            // Nobody else may use such a connection.
            #expect(try lab.deliver(talk.fromClient(.push), to: lab.a, ingress: lab.uplink).action.isDrop)
            #expect(try lab.deliver(talk.fromClient(.push), to: lab.a, ingress: lab.c.ifindex).action.isDrop)
            // Nor end it.
            #expect(try lab.deliver(talk.fromClient(.push), to: lab.a, ingress: 0).action == .pass)
            lab.datapath.judgeAgain()
            #expect(try lab.deliver(talk.fromClient(.push), to: lab.a, ingress: lab.uplink).action.isDrop)
            #expect(try lab.deliver(talk.fromClient(.push), to: lab.a, ingress: 0).action == .pass)
            #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .pass)

            // An address that is not known as the node's is anybody's.
            let unknown = Talk(client: address(family == .ipv4 ? "169.254.7.7" : "fe80::77"), server: talk.server)
            let action = try lab.deliver(unknown.opening, to: lab.a, ingress: 0).action
            #expect(action == .drop(DP_DROP_POLICY_DENY))
            let back = Talk(client: lab.a.address(family), server: Peers.host.address(family), sport: 1)
            #expect(try lab.send(back.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
        }
    }

    @Test(arguments: Family.allCases)
    func `whom the stack hides behind the node's address has none of the node's rights`(family: Family) throws {
        try Lab.run { lab throws in
            let fake = Talk(client: Peers.host.address(family), server: lab.a.address(family))
            try lab.enforce([lab.a: TestPolicy(ingress: [Peers.host.classID(family): .allowAll])])
            #expect(try lab.deliver(fake.opening, to: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.deliver(fake.opening, to: lab.a, ingress: 0).action == .pass)
            try lab.forgetFlows()
            try lab.enforce([lab.a: TestPolicy(ingress: [Peers.world.classID(family): .allowAll])])
            let talked = try lab.establish(from: Peers.host.address(family), to: lab.a)
            #expect(try lab.flow(of: talked.opening)?.has(DP_FLOW_FROM_NODE) == false)
            lab.datapath.judgeAgain()
            #expect(try lab.send(talked.fromServer(.push), by: lab.a).action == .pass)
            try lab.enforce([lab.a: .closed])
            // Taken apart and put together by conntrack it looks like the node's own.
            #expect(
                try lab.deliver(talked.fromClient(.push), to: lab.a, ingress: 0).action
                    == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.send(talked.fromServer(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.deliver(talked.fromClient(.push), to: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            // Nor may anybody go on with what the node has begun.
            let talk = try lab.establish(from: Peers.host.address(family), to: lab.b, ingress: 0)
            #expect(try lab.deliver(talk.fromClient(.push), to: lab.b).action == .drop(DP_DROP_INVALID_SOURCE_IP))
        }
    }

    @Test(arguments: Family.allCases)
    func `answers of the node may have come a long way to it`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: Peers.host.address(family))
            #expect(try lab.send(talk.opening, by: lab.a).action == .pass)
            #expect(try lab.deliver(talk.fromServer(.synAck), to: lab.a, ingress: 0).action == .pass)
            #expect(try lab.send(talk.fromClient(.ack), by: lab.a).action == .pass)
            // The stack has translated it: the pod asked for a port of the node that is a service's.
            for _ in 0..<2 {
                #expect(try lab.deliver(talk.fromServer(.push), to: lab.a, ingress: lab.uplink).action == .pass)
                #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .pass)
                lab.datapath.judgeAgain()
            }
            try lab.enforce([lab.a: .closed])
            #expect(try lab.deliver(talk.fromServer(.push), to: lab.a, ingress: lab.uplink).action.isDrop)
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action.isDrop)
        }
    }

    @Test(arguments: Family.allCases)
    func `a pod's policy towards the node is its own`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.a: TestPolicy(egress: [Peers.host.classID(family): .only(.allow(.tcp, 80))])])
            let allowed = Talk(client: lab.a.address(family), server: Peers.host.address(family))
            #expect(try lab.send(allowed.opening, by: lab.a).action == .pass)
            let refused = Talk(client: lab.a.address(family), server: Peers.host.address(family), dport: 81)
            #expect(try lab.send(refused.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: Family.allCases)
    func `peers are told apart by address, prefix and the rest of the world`(family: Family) throws {
        let peers = [Peers.host, Peers.node, Peers.remote, Peers.stranger, Peers.wide, Peers.narrow, Peers.world]
        try Lab.run { lab throws in
            for allowed in peers {
                try lab.enforce([
                    lab.a: TestPolicy(
                        ingress: [allowed.classID(family): .allowAll], egress: [allowed.classID(family): .allowAll])
                ])
                for peer in peers {
                    let isAllowed = peer.slot == allowed.slot
                    let out = Talk(client: lab.a.address(family), server: peer.address(family), dport: 90)
                    let action = try lab.send(out.opening, by: lab.a).action
                    #expect(
                        action == (isAllowed ? .pass : .drop(DP_DROP_POLICY_DENIED)), "\(allowed.ipv4) \(peer.ipv4)")
                    guard !peer.isHost else { continue }
                    let back = Talk(client: peer.address(family), server: lab.a.address(family), dport: 91)
                    let entry = try lab.deliver(back.opening, to: lab.a).action
                    #expect(entry == (isAllowed ? .pass : .drop(DP_DROP_POLICY_DENIED)), "\(allowed.ipv4) \(peer.ipv4)")
                }
            }
        }
    }
}

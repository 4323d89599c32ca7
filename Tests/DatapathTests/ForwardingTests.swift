// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import Netlink
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct ForwardingTests {
    @Test(arguments: Family.allCases)
    func `a packet to a pod of this node is rewritten as a router does`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            for limit in [255, 64, 3, 2].map(UInt8.init) {
                // The first packet goes another way through the program than those of an established connection.
                for packet in [talk.opening, talk.fromClient(.push, payload: [1, 2, 3])] {
                    let sent = packet.hopLimit(limit)
                    let out = try lab.send(sent, by: lab.a)
                    #expect(out.action == .redirect)
                    let parsed = try #require(out.packet)
                    #expect(parsed.destinationMAC == lab.b.mac)
                    #expect(parsed.sourceMAC == lab.b.gateway)
                    #expect(parsed.ip?.hopLimit == limit - 1)
                    #expect(parsed.ip?.isChecksumRight == true)
                    #expect(parsed.isTransportChecksumRight == true)
                    // Nothing else is touched.
                    let expected = sent.hopLimit(limit - 1).macs(from: lab.b.gateway, to: lab.b.mac).bytes
                    #expect(Bool(out.bytes == expected))
                }
            }
        }
    }

    @Test func `the checksum of every header stays right`() throws {
        try Lab.run { lab throws in
            // All values of the field that a decrement can carry over.
            var random = SplitMix64(seed: 11)
            for _ in 0..<2_000 {
                let packet = Talk(client: lab.a.ipv4, server: lab.b.ipv4).opening.withIP {
                    $0.identification = UInt16.random(in: 0...UInt16.max, using: &random)
                    $0.hopLimit = UInt8.random(in: 2...255, using: &random)
                    $0.trafficClass = UInt8.random(in: 0...255, using: &random)
                }
                let out = try lab.send(packet, by: lab.a)
                #expect(out.packet?.ip?.isChecksumRight == true)
            }
        }
    }

    @Test(arguments: Family.allCases, [UInt8(0), 1])
    func `a packet whose hops are used up goes to the stack, which says so`(family: Family, limit: UInt8) throws {
        try Lab.run { lab throws in
            let packet = Talk(client: lab.a.address(family), server: lab.b.address(family)).opening.hopLimit(limit)
            let out = try lab.send(packet, by: lab.a)
            #expect(out.action == .pass)
            #expect(Bool(out.bytes == packet.sent(by: lab.a).bytes), "as it was")
            try lab.enforce([lab.b: .closed])
            #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: Family.allCases)
    func `packets to the node and to unknown places go to the stack as they are`(family: Family) throws {
        try Lab.run { lab throws in
            for peer in [Peers.host, Peers.world, Peers.remote, Peers.node, Peers.wide] {
                let packet = Talk(client: lab.a.address(family), server: peer.address(family)).opening
                let out = try lab.send(packet, by: lab.a)
                #expect(out.action == .pass)
                #expect(Bool(out.bytes == packet.sent(by: lab.a).bytes))
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `packets to the outside leave by the route where there is one`(family: Family) throws {
        try Lab.run(variant: "routes", prepare: { try $0.addRoutes() }) { lab throws in
            let talk = Talk(client: lab.a.address(family), server: Peers.world.address(family))
            for packet in [talk.opening, talk.fromClient(.push, payload: [1])] {
                let out = try lab.send(packet.hopLimit(9), by: lab.a)
                #expect(out.action == .redirect)
                #expect(out.packet?.ip?.hopLimit == 8)
                #expect(out.packet?.ip?.isChecksumRight == true)
            }
            let end = try lab.onlyFlow().end(of: talk.server)
            #expect(end.ifindex == lab.uplink)
            #expect(end.endpoint == 0)
            #expect(try lab.send(talk.fromClient(.push).hopLimit(1), by: lab.a).action == .pass)
            #expect(try lab.deliver(talk.fromServer(.synAck), to: lab.a).action == .pass)

            // The node itself has no route but the stack.
            let home = Talk(client: lab.a.address(family), server: Peers.host.address(family))
            #expect(try lab.send(home.opening, by: lab.a).action == .pass)
            // An address of the node that nobody told the datapath.
            let other = Talk(
                client: lab.a.address(family), server: address(family == .ipv4 ? "198.18.0.1" : "fd00:ffff::1"))
            #expect(try lab.send(other.opening, by: lab.a).action == .pass)
        }
    }

    @Test(arguments: Family.allCases)
    func `a connection to the outside keeps its route when it is judged again by an answer`(family: Family) throws {
        try Lab.run(variant: "routes", prepare: { try $0.addRoutes() }) { lab throws in
            let talk = try lab.establish(lab.a, to: Peers.world.address(family))
            lab.datapath.judgeAgain()
            #expect(try lab.deliver(talk.fromServer(.push), to: lab.a).action == .pass)
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .redirect)
        }
    }

    @Test(arguments: Family.allCases)
    func `a packet that is too big for the way out goes to the stack`(family: Family) throws {
        try Lab.run(variant: "routes for 1300 bytes", prepare: { try $0.addRoutes(mtu: 1300) }) { lab throws in
            let talk = try lab.establish(lab.a, to: Peers.world.address(family))
            let headers = talk.fromClient(.push).networkBytes.count
            let fitting = talk.fromClient(.push).payload(count: 1300 - headers)
            let big = talk.fromClient(.push).payload(count: 1301 - headers)
            #expect(try lab.send(fitting, by: lab.a).action == .redirect)
            let out = try lab.send(big, by: lab.a)
            #expect(out.action == .pass)
            #expect(Bool(out.bytes == big.sent(by: lab.a).bytes))
            // Segments of a large packet count by themselves.
            let large = talk.fromClient(.push).payload(count: 2800)
            #expect(try lab.send(large, by: lab.a, gsoSize: UInt32(1300 - headers)).action == .redirect)
            #expect(try lab.send(large, by: lab.a, gsoSize: UInt32(1301 - headers)).action == .pass)
        }
    }

    @Test(arguments: Family.allCases)
    func `the setting turns routes off`(family: Family) throws {
        try Lab.run({ $0.fib = false }, variant: "routes", prepare: { try $0.addRoutes() }) { lab throws in
            let talk = Talk(client: lab.a.address(family), server: Peers.world.address(family))
            #expect(try lab.send(talk.opening, by: lab.a).action == .pass)
            #expect(try lab.onlyFlow().end(of: talk.server).ifindex == 0)
        }
    }
}

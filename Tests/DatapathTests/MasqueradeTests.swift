// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import TestSupport
import Testing

@testable import Datapath

/// Translated packets are compared with the same packets built for the other addresses: every checksum is computed anew
/// there.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct MasqueradeTests {
    @Test(arguments: Traffic.allCases, Family.allCases)
    func `a pod's packet leaves with the node's address, and what answers goes to the pod`(
        kind: Traffic, family: Family
    ) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let (node, world) = (Lab.node(family), Peers.world.address(family))
            let packet = kind.packet(from: lab.a.address(family), to: world)
            let seen = packet.from(Ending(node, 40_000))
            // The address is under no CRC.
            for round in 0..<3 {
                let out = try lab.leave(packet)
                #expect(out.passes)
                #expect(out.bytes == seen.bytes, "round \(round)")
                // An answer that begins nothing.
                var answer = seen.reply
                if case .tcp(var header) = answer.transport {
                    header.flags = .synAck
                    answer.transport = .tcp(header)
                } else if kind == .sctp {
                    answer = .sctp(
                        from: world, to: node, sport: 5_000, dport: 40_000, chunks: [.initiationAcknowledgement])
                }
                let back = try lab.arrive(answer)
                #expect(back.passes)
                #expect(back.bytes == answer.to(Ending(lab.a.address(family), 40_000)).bytes, "round \(round)")
            }
            let mapping = try #require(try lab.mappings().first)
            #expect(try lab.mappings().count == 1)
            #expect(mapping.value.owner.address == lab.a.address(family))
            let counters = try #require(try lab.datapath.masqueradeCounters())
            #expect(counters.made >= 1 && counters.out.packets >= 3 && counters.in.packets >= 3)
        }
    }

    @Test(arguments: Family.allCases)
    func `what stays within the cluster keeps its source`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            for peer in [Peers.remote, Peers.node] {
                for kind in Traffic.allCases {
                    let packet = kind.packet(from: lab.a.address(family), to: peer.address(family))
                    let out = try lab.leave(packet)
                    #expect(out.passes && out.bytes == packet.bytes)
                    // And what comes from there is not looked at.
                    let answer = packet.from(Ending(Lab.node(family), 40_000)).reply
                    let back = try lab.arrive(answer)
                    #expect(back.passes && back.bytes == answer.bytes)
                }
            }
            #expect(try lab.mappings().isEmpty)
        }
    }

    @Test(arguments: Traffic.allCases, Family.allCases)
    func `packets of the node, and of those who are no pods, are not touched`(kind: Traffic, family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let others = [
                Lab.node(family), Peers.wide.address(family), address(family == .ipv4 ? "10.1.7.1" : "fd00:7::1"),
            ]
            for source in others {
                let packet = kind.packet(from: source, to: Peers.world.address(family))
                let out = try lab.leave(packet)
                #expect(out.passes && out.bytes == packet.bytes, "from \(source)")
                let back = try lab.arrive(packet.reply)
                #expect(back.passes && back.bytes == packet.reply.bytes, "to \(source)")
            }
            #expect(try lab.mappings().isEmpty)
        }
    }

    @Test(arguments: Family.allCases)
    func `the longest prefix decides, whatever is around it`(family: Family) throws {
        try Lab.run { lab throws in
            let world = Peers.world.address(family)
            let packet = Traffic.udp.packet(from: lab.a.address(family), to: world)
            func leaves() throws -> Bool { try lab.leave(packet).bytes != packet.bytes }
            try lab.masquerade { $0.excluded.insert(prefix(family == .ipv4 ? "203.0.0.0/8" : "2001:4860::/32")) }
            #expect(try !leaves())
            // Everything of one family is nothing of the other's.
            try lab.masquerade { $0.excluded.insert(prefix(family == .ipv4 ? "::/0" : "0.0.0.0/0")) }
            #expect(try leaves())
            try lab.masquerade { $0.excluded.insert(prefix(family == .ipv4 ? "0.0.0.0/0" : "::/0")) }
            #expect(try !leaves())
            // A part of the pods' range that is named for itself is one of pods still.
            try lab.masquerade { $0.excluded.insert(prefix(family == .ipv4 ? "10.1.0.0/30" : "fd00:1::/112")) }
            #expect(try leaves())
        }
    }

    @Test(arguments: Family.allCases)
    func `what answers a connection from outside keeps the pod's address`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            // The outside has a route to the pod.
            let talk = try lab.establish(from: Peers.world.address(family), to: lab.a)
            for packet in [
                talk.fromServer(.synAck), talk.fromServer(.push).payload(count: 100), talk.fromServer(.finAck),
            ] {
                let out = try lab.leave(packet)
                #expect(out.passes && out.bytes == packet.bytes)
            }
            let pong = Packet.echoReply(from: lab.a.address(family), to: Peers.world.address(family), id: 3)
            #expect(try lab.leave(pong).bytes == pong.bytes)
            #expect(try lab.mappings().isEmpty)
            // The pod's own to the same remote is another one.
            let own = Traffic.tcp.packet(from: lab.a.address(family), to: Peers.world.address(family))
            #expect(try lab.leave(own).source == Ending(Lab.node(family), 40_000))
        }
    }

    @Test(arguments: Family.allCases)
    func `what begins outside is no pod's`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let (node, world) = (Lab.node(family), Peers.world.address(family))
            for kind in Traffic.allCases {
                let seen = try lab.leave(kind.packet(from: lab.a.address(family), to: world))
                #expect(seen.source == Ending(node, 40_000))
            }
            let syn = Packet.tcp(from: world, to: node, sport: 443, dport: 40_000)
            let ping = Packet.echoRequest(from: world, to: node, id: 40_000)
            let initiation = Packet.sctp(from: world, to: node, sport: 5_000, dport: 40_000)
            for packet in [syn, ping, initiation] { #expect(try lab.arrive(packet).bytes == packet.bytes) }
            // Nor what comes from another port, or goes to another.
            let near = [
                Packet.udp(from: world, to: node, sport: 54, dport: 40_000),
                .udp(from: world, to: node, sport: 53, dport: 40_001),
                .udp(from: Peers.wide.address(family), to: node, sport: 53, dport: 40_000),
                .echoReply(from: world, to: node, id: 40_001),
            ]
            for packet in near { #expect(try lab.arrive(packet).bytes == packet.bytes) }
        }
    }

    @Test func `UDP without a checksum has none afterwards`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let packet = Traffic.udp.packet(from: lab.a.ipv4, to: Peers.world.address(.ipv4)).with {
                var header = UDPHeader(from: 40_000, to: 53)
                header.checksum = 0
                $0.transport = .udp(header)
            }
            let seen = packet.from(Ending(Lab.node(.ipv4), 40_000))
            #expect(try lab.leave(packet).bytes == seen.bytes)
            #expect(try lab.arrive(seen.reply).bytes == packet.reply.bytes)
        }
    }

    @Test(arguments: Family.allCases)
    func `a checksum that comes out as zero is written as its complement`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let packet = Traffic.udp.packet(from: lab.a.address(family), to: Peers.world.address(family)).payload(
                count: 2)
            let seen = packet.from(Ending(Lab.node(family), 40_000))
            // Two bytes of payload that make the sum what is wanted.
            let sum = UInt16(seen.payload([0, 0]).bytes.suffix(4).prefix(2).reduce(0) { $0 << 8 | UInt16($1) })
            let payload = [UInt8(sum >> 8), UInt8(truncatingIfNeeded: sum)]
            let out = try lab.leave(packet.payload(payload))
            #expect(out.bytes.suffix(4) == [0xff, 0xff] + payload)
            #expect(out.packet?.isTransportChecksumRight == true)
            // And back, where it has another sum.
            let back = try lab.arrive(seen.payload(payload).reply)
            #expect(back.bytes == packet.payload(payload).reply.bytes)
        }
    }

    @Test(arguments: Family.allCases)
    func `headers that are seldom seen are no obstacle`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let plain = Traffic.tcp.packet(from: lab.a.address(family), to: Peers.world.address(family)).payload(
                count: 33)
            let packet =
                family == .ipv4
                ? plain.ipv4Options([148, 4, 0, 0])
                : plain.extensions([
                    .hopByHop([5, 2, 0, 0]), .destination([1, 10] + [UInt8](repeating: 0, count: 10)),
                ])
            let seen = packet.from(Ending(Lab.node(family), 40_000))
            #expect(try lab.leave(packet).bytes == seen.bytes)
            let answer = seen.reply.with { packet in
                if case .tcp(var header) = packet.transport {
                    header.flags = .synAck
                    packet.transport = .tcp(header)
                }
            }
            #expect(try lab.arrive(answer).bytes == answer.to(Ending(lab.a.address(family), 40_000)).bytes)
        }
    }

    @Test(arguments: Family.allCases)
    func `segments that wait to be cut are translated as one`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let packet = Traffic.tcp.packet(from: lab.a.address(family), to: Peers.world.address(family))
            _ = try lab.leave(packet)
            let big = Talk(client: lab.a.address(family), server: Peers.world.address(family), dport: 443)
                .fromClient(.push).payload(count: 3_000)
            let out = try lab.leave(big, gsoSize: 1_400)
            #expect(out.passes)
            #expect(out.source == Ending(Lab.node(family), 40_000))
            #expect(out.packet?.isTransportChecksumRight == true)
        }
    }

    @Test(arguments: Family.allCases)
    func `a pod's packet that can't be translated does not get out`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let (pod, world) = (lab.a.address(family), Peers.world.address(family))
            let tunnel = Packet.ip(from: pod, to: world, protocol: 47, payload: [0, 0, 8, 0, 1, 2, 3, 4])
            #expect(try lab.leave(tunnel).isDrop(DP_DROP_UNKNOWN_L4))
            #expect(try lab.leave(tunnel.withIP { $0.source = Peers.wide.address(family) }).passes, "not a pod's")
            let redirect = Packet.icmp(from: pod, to: world, type: family == .ipv4 ? 5 : 100)
            #expect(try lab.leave(redirect).verdict == 2)
            let short = Traffic.tcp.packet(from: pod, to: world).withIP { $0.length = family == .ipv4 ? 30 : 10 }
            #expect(try lab.leave(short).isDrop(DP_DROP_INVALID_HEADER))
            let lost = Traffic.udp.packet(from: pod, to: world).payload(count: 200).fragments(id: 3, size: 64)[1]
            #expect(try lab.leave(lost).isDrop(DP_DROP_FRAGMENT_NOT_FOUND))
            // A device without an address of the family.
            try lab.masquerade { nat in
                nat.uplinks[0].ipv4 = family == .ipv4 ? nil : nat.uplinks[0].ipv4
                nat.uplinks[0].ipv6 = family == .ipv6 ? nil : nat.uplinks[0].ipv6
            }
            let packet = Traffic.tcp.packet(from: pod, to: world)
            #expect(try lab.leave(packet).isDrop(DP_DROP_NAT_NO_MAPPING))
        }
    }

    @Test func `other people's protocols pass`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let packets = [
                Packet.ethernet(type: EtherType.arp, payload: [UInt8](repeating: 0, count: 28)),
                Packet.ethernet(type: EtherType.local, payload: [UInt8](repeating: 7, count: 64)),
                Traffic.udp.packet(from: Peers.wide.address(.ipv4), to: Peers.world.address(.ipv4)).vlan(7),
                Packet.ip(
                    from: Lab.node(.ipv4), to: Peers.world.address(.ipv4), protocol: 4,
                    payload: [1, 2, 3, 4, 5, 6, 7, 8]),
            ]
            for packet in packets {
                #expect(try lab.leave(packet).bytes == packet.bytes)
                #expect(try lab.arrive(packet).passes)
                #expect(try lab.arrive(packet.reply).bytes == packet.reply.bytes)
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `drops are counted and told`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            var ring = try RingBuffer(lab.datapath.shared.events.duplicate())
            try ring.consume { _ in }
            let packet = Packet.ip(from: lab.a.address(family), to: Peers.world.address(family), protocol: 47)
                .payload(count: 20)
            #expect(try lab.leave(packet).isDrop(DP_DROP_UNKNOWN_L4))
            var told: [DatapathEvent] = []
            try ring.consume { told.append(DatapathEvent(unsafe $0.unsafeLoad(as: dp_event.self))) }
            let event = try #require(told.first)
            #expect(event.source.address == lab.a.address(family) && event.ifindex == lab.uplink)
            #expect(
                event.kind == .drop(reason: DP_DROP_UNKNOWN_L4.rawValue, text: dropText(DP_DROP_UNKNOWN_L4.rawValue)))
        }
    }
}

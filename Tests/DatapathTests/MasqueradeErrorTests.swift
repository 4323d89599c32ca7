// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import TestSupport
import Testing

@testable import Datapath

/// ICMP errors quote the packet that they are about as the one who saw it did: translated one way, to be translated back the
/// other.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct MasqueradeErrorTests {
    private func router(_ family: Family) -> IPAddress {
        address(family == .ipv4 ? "198.51.100.9" : "2001:db8:77::9")
    }

    /// A router within the excluded prefixes.
    private func nearRouter(_ family: Family) -> IPAddress { address(family == .ipv4 ? "10.250.0.1" : "fd00:250::1") }

    /// Makes the first port be another's, so that this pod's is changed.
    private func occupy(_ lab: Lab, _ kind: Traffic, _ family: Family) throws {
        _ = try lab.leave(kind.packet(from: lab.c.address(family), to: Peers.world.address(family)))
    }

    @Test(arguments: Traffic.allCases, Family.allCases)
    func `an error about what a pod sent reaches the pod, and speaks of what it sent`(
        kind: Traffic, family: Family
    ) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            for isMoved in [false, true] where !isMoved || kind != .sctp {
                try lab.forgetMappings()
                if isMoved { try occupy(lab, kind, family) }
                let sent = kind.packet(from: lab.a.address(family), to: Peers.world.address(family)).payload(count: 24)
                let out = try lab.leave(sent)
                let end = try #require(out.source)
                #expect((end.port != 40_000) == isMoved)
                let seen = sent.from(end)
                #expect(out.bytes == seen.bytes)
                for (error, expected) in errors(seen, sent, family) {
                    let back = try lab.arrive(error)
                    #expect(back.passes)
                    #expect(back.bytes == expected.bytes, "moved: \(isMoved)")
                    #expect(back.packet?.isTransportChecksumRight == true)
                }
            }
        }
    }

    /// Errors about a packet as the outside saw it, and as they are when the pod gets them.
    private func errors(_ seen: Packet, _ sent: Packet, _ family: Family) -> [(Packet, Packet)] {
        func both(_ make: (Packet) -> Packet) -> (Packet, Packet) {
            let made = make(seen)
            // What is quoted of it, and to whom it goes; all else stays.
            let other = make(sent)
            return (made, other)
        }
        let header = family == .ipv4 ? 28 : 48
        return [
            both { .unreachable(quoting: $0) },
            both { .timeExceeded(from: router(family), quoting: $0) },
            both { .packetTooBig(mtu: 1_300, from: nearRouter(family), quoting: $0) },
            // No more than RFC 792 asks for: the first eight bytes of the transport header.
            both { .unreachable(code: 1, from: router(family), quoting: $0, limit: header) },
        ]
    }

    @Test(arguments: [Traffic.tcp, .udp], Family.allCases)
    func `an error of the pod's about an answer leaves as if the node had got it`(kind: Traffic, family: Family) throws
    {
        try Lab.run { lab throws in
            try lab.masquerade()
            for isMoved in [false, true] {
                try lab.forgetMappings()
                if isMoved { try occupy(lab, kind, family) }
                let sent = kind.packet(from: lab.a.address(family), to: Peers.world.address(family))
                let end = try #require(try lab.leave(sent).source)
                let answer = sent.reply.payload(count: 30)
                let error = Packet.unreachable(quoting: answer)
                let out = try lab.leave(error)
                #expect(out.bytes == Packet.unreachable(quoting: answer.to(end)).bytes, "moved: \(isMoved)")
                // The node's own stack's, which could not hand it on: from the node already.
                let stack = Packet.packetTooBig(mtu: 1_280, from: Lab.node(family), quoting: answer)
                #expect(
                    try lab.leave(stack).bytes
                        == Packet.packetTooBig(mtu: 1_280, from: Lab.node(family), quoting: answer.to(end)).bytes)
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `errors about the node's own packets are the node's`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let (node, world) = (Lab.node(family), Peers.world.address(family))
            let own = Traffic.udp.packet(from: node, to: world)
            let error = Packet.unreachable(quoting: own)
            #expect(try lab.arrive(error).bytes == error.bytes)
            let out = Packet.unreachable(quoting: own.reply)
            #expect(try lab.leave(out).bytes == out.bytes)
            // Of a connection that was moved off a pod's port: what the node sent, and got.
            _ = try lab.leave(Traffic.udp.packet(from: lab.a.address(family), to: world))
            let end = try #require(try lab.leave(own).source)
            #expect(end.port != 40_000)
            #expect(try lab.arrive(.unreachable(quoting: own.from(end))).bytes == error.bytes)
            #expect(try lab.leave(out).bytes == Packet.unreachable(quoting: own.reply.to(end)).bytes)
        }
    }

    @Test(arguments: Family.allCases)
    func `errors about nothing that is known make no mapping`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let sent = Traffic.udp.packet(from: lab.a.address(family), to: Peers.world.address(family))
            #expect(try lab.leave(.unreachable(quoting: sent.reply)).isDrop(DP_DROP_UNKNOWN_FLOW))
            let error = Packet.unreachable(quoting: sent.from(Ending(Lab.node(family), 40_000)))
            #expect(try lab.arrive(error).bytes == error.bytes)
            #expect(try lab.mappings().isEmpty)
            // What it quotes can't be told from a ping of somebody else's.
            let ping = Packet.echoReply(from: Lab.node(family), to: Peers.world.address(family), id: 7)
            _ = try lab.leave(.echoRequest(from: lab.a.address(family), to: Peers.world.address(family), id: 7))
            let about = Packet.unreachable(quoting: ping)
            #expect(try lab.arrive(about).bytes == about.bytes)
        }
    }

    @Test func `a quoted packet without a UDP checksum has none afterwards`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            try occupy(lab, .udp, .ipv4)
            var header = UDPHeader(from: 40_000, to: 53)
            header.checksum = 0
            let sent = Traffic.udp.packet(from: lab.a.ipv4, to: Peers.world.address(.ipv4))
                .with { $0.transport = .udp(header) }
            let end = try #require(try lab.leave(sent).source)
            let back = try lab.arrive(.unreachable(quoting: sent.from(end)))
            #expect(back.bytes == Packet.unreachable(quoting: sent).bytes)
        }
    }

    @Test(arguments: Family.allCases)
    func `an error about the first part of a datagram`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            try occupy(lab, .udp, family)
            let whole = Traffic.udp.packet(from: lab.a.address(family), to: Peers.world.address(family)).payload(
                count: 200)
            let end = try #require(try lab.leave(whole.fragments(id: 5, size: 64)[0]).packet?.ip?.source)
            #expect(end == Lab.node(family))
            let port = try #require(
                try lab.mappings().first { $0.value.owner.address == lab.a.address(family) }?.key.node_port)
            let seen = whole.from(Ending(end, UInt16(bigEndian: port))).fragments(id: 5, size: 64)[0]
            let back = try lab.arrive(.packetTooBig(mtu: 1_280, from: router(family), quoting: seen))
            #expect(
                back.bytes
                    == Packet.packetTooBig(
                        mtu: 1_280, from: router(family), quoting: whole.fragments(id: 5, size: 64)[0]
                    ).bytes)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct FragmentTests {
    private func datagram(_ from: TestPod, _ to: IPAddress, dport: UInt16 = 53) -> Packet {
        .udp(from: from.address(to.isIPv4 ? .ipv4 : .ipv6), to: to, sport: 5000, dport: dport).payload(count: 300)
    }

    @Test(arguments: Family.allCases)
    func `the parts of a datagram follow its first one`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.udp, 53))])])
            let parts = datagram(lab.a, lab.b.address(family)).fragments(id: 1, size: 64)
            #expect(parts.count == 5)
            for part in parts {
                let out = try lab.send(part, by: lab.a)
                #expect(out.action == .redirect)
                #expect(out.packet?.destinationMAC == lab.b.mac)
            }
            #expect(try lab.onlyFlow().key.ends.contains { $0.port == 53 })
            // Once the first is known, order doesn't matter.
            for part in parts.reversed() { #expect(try lab.send(part, by: lab.a).action == .redirect) }
        }
    }

    @Test(arguments: Family.allCases)
    func `parts before the first are dropped`(family: Family) throws {
        try Lab.run { lab throws in
            let parts = datagram(lab.a, lab.b.address(family)).fragments(id: 1, size: 128)
            #expect(try lab.send(parts[1], by: lab.a).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
            #expect(try lab.send(parts[2], by: lab.a).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
            #expect(try lab.send(parts[0], by: lab.a).action == .redirect)
            #expect(try lab.send(parts[1], by: lab.a).action == .redirect)
            let others = datagram(lab.a, lab.b.address(family)).fragments(id: 2, size: 128)
            #expect(try lab.send(others[1], by: lab.a).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
        }
    }

    @Test(arguments: Family.allCases)
    func `parts share the fate of their datagram`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.udp, 53))])])
            let refused = datagram(lab.a, lab.b.address(family), dport: 54).fragments(id: 3, size: 64)
            #expect(try lab.send(refused[0], by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            for part in refused.dropFirst() {
                #expect(try lab.send(part, by: lab.a).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
            }
            #expect(try lab.flows().isEmpty)
            // Each part is judged: what may no longer be sent goes no further in the middle of a datagram.
            let parts = datagram(lab.a, lab.b.address(family)).fragments(id: 4, size: 64)
            for part in parts[..<2] { #expect(try lab.send(part, by: lab.a).action == .redirect) }
            try lab.enforce([lab.b: TestPolicy(ingress: [:])])
            for part in parts[2...] {
                #expect(try lab.send(part, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `who may send nothing pushes out no other's datagrams`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.c: TestPolicy(egress: [:])])
            let parts = datagram(lab.a, lab.b.address(family)).fragments(id: 1, size: 128)
            #expect(try lab.send(parts[0], by: lab.a).action == .redirect)
            // In its own name, and in that of others.
            for id in 0..<(2 * UInt32(lab.datapath.configuration.sizes.fragments)) {
                let first = datagram(id % 4 == 0 ? lab.a : lab.c, lab.b.address(family)).fragments(id: id, size: 128)[0]
                #expect(try lab.sendFrame(first.sent(by: lab.c).bytes, on: lab.c.ifindex).action.isDrop)
            }
            #expect(try lab.datapath.shared.fragments.count() == 1)
            #expect(try lab.send(parts[1], by: lab.a).action == .redirect)
        }
    }

    @Test(arguments: Family.allCases)
    func `fragments to and from outside`(family: Family) throws {
        try Lab.run { lab throws in
            let out = datagram(lab.a, Peers.remote.address(family)).fragments(id: 4, size: 128)
            for part in out { #expect(try lab.send(part, by: lab.a).action == .pass) }
            let back = Packet.udp(from: Peers.remote.address(family), to: lab.a.address(family), sport: 53, dport: 5000)
                .payload(count: 300).fragments(id: 4, size: 128)
            for part in back { #expect(try lab.deliver(part, to: lab.a).action == .pass) }
        }
    }

    @Test(arguments: Family.allCases)
    func `one pod's fragments are not another's`(family: Family) throws {
        try Lab.run { lab throws in
            let parts = datagram(lab.a, lab.b.address(family)).fragments(id: 5, size: 128)
            _ = try lab.send(parts[0], by: lab.a)
            let others = datagram(lab.c, lab.b.address(family)).fragments(id: 5, size: 128)
            #expect(try lab.send(others[1], by: lab.c).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
            // a's datagram is not c's to go on with, nor when c has begun it, too.
            #expect(try lab.send(parts[1], by: lab.c).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
            #expect(try lab.send(parts[0], by: lab.c).action == .drop(DP_DROP_INVALID_SOURCE_IP))
            #expect(try lab.send(parts[1], by: lab.c).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
        }
    }

    @Test(arguments: Family.allCases)
    func `a spoofed first fragment says nothing of the true one`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.udp, 53))])])
            let parts = datagram(lab.a, lab.b.address(family)).fragments(id: 6, size: 128)
            #expect(try lab.send(parts[0], by: lab.a).action == .redirect)
            // c claims that a's datagram goes to another port.
            let lie = datagram(lab.a, lab.b.address(family), dport: 54).fragments(id: 6, size: 128)
            #expect(try lab.send(lie[0], by: lab.c).action == .drop(DP_DROP_INVALID_SOURCE_IP))
            #expect(try lab.send(parts[1], by: lab.a).action == .redirect)
        }
    }

    @Test(arguments: Family.allCases)
    func `TCP headers are not cut`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            let packet = talk.opening.payload(count: 100)
            // RFC 3128: the flags in the second fragment.
            let tiny = packet.fragments(id: 7, size: 8)
            #expect(try lab.send(tiny[0], by: lab.a).action == .drop(DP_DROP_INVALID_HEADER))
            #expect(try lab.send(tiny[1], by: lab.a).action.isDrop)
            #expect(try lab.send(tiny[2], by: lab.a).action.isDrop)
            let parts = packet.fragments(id: 8, size: 24)
            #expect(try lab.send(parts[0], by: lab.a).action == .redirect)
            #expect(try lab.send(parts[1], by: lab.a).action == .redirect)
            // A second fragment that overwrites the flags of the first.
            #expect(
                try lab.send(packet.fragments(id: 8, size: 16)[1], by: lab.a).action == .drop(DP_DROP_INVALID_PACKET))
        }
    }

    @Test(arguments: Family.allCases, [UInt8(17), 132])
    func `a first fragment without a whole transport header is dropped`(family: Family, number: UInt8) throws {
        try Lab.run { lab throws in
            let (a, b) = (lab.a.address(family), lab.b.address(family))
            let packet: Packet =
                number == 17
                ? .udp(from: a, to: b, sport: 1, dport: 2).payload(count: 40)
                : .sctp(from: a, to: b, sport: 1, dport: 2, chunks: [.data])
            // What follows is padding of the frame, not of the packet.
            let first = packet.fragment(id: 9, offset: 0, more: true)
            let header = family == .ipv4 ? 20 : 8
            for room in [0, number == 17 ? 4 : 12] {
                let cut = first.withIP { $0.length = UInt16(header + room) }
                #expect(try lab.send(cut, by: lab.a).action.isDrop, "\(room) bytes")
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `pings may be cut, errors not`(family: Family) throws {
        try Lab.run { lab throws in
            let (a, b) = (lab.a.address(family), lab.b.address(family))
            let ask = Packet.echoRequest(from: a, to: b, id: 3).payload(count: 200).fragments(id: 10, size: 64)
            let answer = Packet.echoReply(from: b, to: a, id: 3).payload(count: 200).fragments(id: 10, size: 64)
            #expect(try lab.send(answer[0], by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
            for part in answer { #expect(try lab.send(part, by: lab.b).action.isDrop) }
            for part in ask { #expect(try lab.send(part, by: lab.a).action == .redirect) }
            for part in answer { #expect(try lab.send(part, by: lab.b).action == .redirect) }
            #expect(try lab.flows().count == 1)

            let talk = try lab.establish(lab.a, lab.b, family)
            let error = Packet.unreachable(quoting: talk.fromClient(.push).payload(count: 100)).fragments(
                id: 11, size: 104)
            #expect(try lab.send(error[0], by: lab.b).action == .drop(DP_DROP_INVALID_PACKET))
        }
    }

    @Test(arguments: Family.allCases)
    func `no datagram is longer than IP allows`(family: Family) throws {
        try Lab.run { lab throws in
            let whole = datagram(lab.a, lab.b.address(family))
            let parts = whole.fragments(id: 12, size: 64)
            #expect(try lab.send(parts[0], by: lab.a).action == .redirect)
            let last = Packet.ip(from: lab.a.address(family), to: lab.b.address(family), protocol: 17)
                .payload(count: 64).fragment(id: 12, offset: 65_528, more: false)
            #expect(try lab.send(last, by: lab.a).action == .drop(DP_DROP_INVALID_PACKET))
        }
    }

    @Test func `a fragment that is the whole packet is one`() throws {
        try Lab.run { lab throws in
            // RFC 6946.
            let talk = Talk(client: lab.a.ipv6, server: lab.b.ipv6)
            #expect(try lab.send(talk.opening.fragment(id: 1, offset: 0, more: false), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().key.protocol == 6)
            #expect(try lab.datapath.shared.fragments.count() == 0)
        }
    }

    @Test func `options in front of the fragment header are walked over`() throws {
        try Lab.run { lab throws in
            let packet = datagram(lab.a, lab.b.ipv6).extensions([.destination([])])
            for part in packet.fragments(id: 13, size: 64) {
                #expect(try lab.send(part, by: lab.a).action == .redirect)
            }
            #expect(try lab.onlyFlow().key.protocol == 17)
        }
    }

    @Test func `options behind the fragment header belong to the first fragment`() throws {
        try Lab.run { lab throws in
            // RFC 8200, 4.5: the fragmentable part begins with its own extension headers.
            let content = Packet.udp(from: lab.a.ipv6, to: lab.b.ipv6, sport: 5000, dport: 53).payload(count: 120)
                .networkBytes.dropFirst(40)
            let options: [UInt8] = [17, 0, 1, 4, 0, 0, 0, 0]
            let all = options + content
            func part(_ range: Range<Int>, more: Bool) -> Packet {
                Packet.ip(from: lab.a.ipv6, to: lab.b.ipv6, protocol: 60, payload: Array(all[range]))
                    .fragment(id: 14, offset: range.lowerBound, more: more)
            }
            #expect(try lab.send(part(0..<64, more: true), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().key.protocol == 17)
            #expect(try lab.send(part(64..<all.count, more: false), by: lab.a).action == .redirect)
        }
    }
    @Test func `no later part says again what a packet behind options is`() throws {
        try Lab.run { lab throws in
            // Fragment header, options, and behind them what the packet is judged by.
            func content(_ packet: Packet, behind length: Int) -> [UInt8] {
                [packet.protocolNumber, UInt8(length / 8 - 1), 1, UInt8(length - 4)]
                    + [UInt8](repeating: 0, count: length - 4) + packet.networkBytes.dropFirst(40)
            }
            func part(_ all: [UInt8], _ range: Range<Int>, id: UInt32, more: Bool) -> Packet {
                Packet.ip(from: lab.a.ipv6, to: lab.b.ipv6, protocol: 60, payload: Array(all[range]))
                    .fragment(id: id, offset: range.lowerBound, more: more)
            }
            let talk = Talk(client: lab.a.ipv6, server: lab.b.ipv6)
            let kinds: [(packet: Packet, header: Int)] = [
                (talk.opening.payload(count: 100), 20), (datagram(lab.a, lab.b.ipv6), 8),
                (.sctp(from: lab.a.ipv6, to: lab.b.ipv6, sport: 1, dport: 2, chunks: [.initiation]), 16),
            ]
            for (index, kind) in kinds.enumerated() {
                for length in [8, 16, 64] {
                    let id = UInt32(index * 100 + length)
                    let all = content(kind.packet, behind: length)
                    let first = length + 24
                    #expect(try lab.send(part(all, 0..<first, id: id, more: true), by: lab.a).action == .redirect)
                    for offset in stride(from: 8, through: all.count - 8, by: 8) {
                        let action = try lab.send(part(all, offset..<all.count, id: id, more: false), by: lab.a).action
                        let isLie = offset < length + kind.header
                        #expect(
                            action == (isLie ? .drop(DP_DROP_INVALID_PACKET) : .redirect),
                            "protocol \(kind.packet.protocolNumber), \(length) bytes of options, from \(offset) on")
                    }
                }
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `no later part says again what a chunk is`(family: Family) throws {
        try Lab.run { lab throws in
            let packet = Packet.sctp(
                from: lab.a.address(family), to: lab.b.address(family), sport: 1, dport: 2, chunks: [.initiation])
            let parts = packet.fragments(id: 15, size: 16)
            #expect(try lab.send(parts[0], by: lab.a).action == .redirect)
            #expect(
                try lab.send(packet.fragments(id: 15, size: 8)[1], by: lab.a).action == .drop(DP_DROP_INVALID_PACKET))
            #expect(try lab.send(parts[1], by: lab.a).action == .redirect)
        }
    }
}

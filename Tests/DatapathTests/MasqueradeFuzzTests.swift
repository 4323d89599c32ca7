// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import TestSupport
import Testing

@testable import Datapath

/// Random packets in both directions against a small book of who has which port. `SKEIN_FUZZ_SEED` says where to begin.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct MasqueradeFuzzTests {
    private static let packets = 100_000
    private static let seed =
        unsafe getenv("SKEIN_FUZZ_SEED").flatMap { UInt64(unsafe String(cString: $0)) } ?? UInt64(time(nil))

    @Test func `every packet is translated as the book says, and no pod's gets out as it is`() throws {
        print("MasqueradeFuzzTests: \(Self.packets) packets, SKEIN_FUZZ_SEED=\(Self.seed)")
        try Lab.run({ $0.sizes.nat = 65_536 }) { lab throws in
            try lab.masquerade()
            var game = Game(lab, seed: Self.seed)
            for step in 0..<Self.packets {
                if step % 5_000 == 0 {
                    #expect(try lab.mappings().count == game.book.count, "step \(step)")
                    try lab.forgetMappings()
                    game.book = ReferenceNAT()
                }
                guard let problem = try game.step() else { continue }
                Issue.record("seed \(Self.seed), step \(step): \(problem)")
                break
            }
            #expect(game.translated > Self.packets / 3, "both would agree on doing nothing")
            #expect(game.moved > Self.packets / 100)
        }
    }
}

/// One player of many: pods, the node and the world.
private struct Game {
    let lab: Lab
    var random: SplitMix64
    var book = ReferenceNAT()
    var translated = 0
    var moved = 0
    private var fragmentID: UInt32 = 0

    init(_ lab: Lab, seed: UInt64) {
        self.lab = lab
        random = SplitMix64(seed: seed)
    }

    /// Returns what went wrong.
    mutating func step() throws -> String? {
        switch Int.random(in: 0..<16, using: &random) {
        case 0..<6: return try leave()
        case 6..<11: return try arrive()
        case 11..<13: return try errorArrives()
        case 13..<14: return try errorLeaves()
        default: return try broken()
        }
    }

    private mutating func pick<Element>(_ elements: [Element]) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &random)]
    }

    private mutating func port() -> UInt16 { UInt16.random(in: 40_000..<40_004, using: &random) }

    private mutating func world(_ family: Family) -> IPAddress {
        pick([Peers.world, Peers.wide, Peers.narrow]).address(family)
    }

    /// A packet of a connection that somebody on the node may have, without an end of its own yet.
    private mutating func packet(_ family: Family, from source: IPAddress, opens: Bool) -> Packet {
        let kind = pick([Traffic.tcp, .tcp, .udp, .udp, .echo])
        var packet = kind.packet(from: source, to: world(family), sport: port())
        if case .tcp(var header) = packet.transport {
            header.flags = opens && random.oneIn(2) ? .syn : pick([.ack, .push, .finAck, .rst])
            header.sequence = UInt32(truncatingIfNeeded: random.next())
            packet.transport = .tcp(header)
        }
        packet = packet.payload(count: Int.random(in: 0..<80, using: &random))
        if case .udp(var header) = packet.transport, family == .ipv4, random.oneIn(6) {
            header.checksum = 0
            packet.transport = .udp(header)
        }
        if random.oneIn(8) {
            packet =
                family == .ipv4
                ? packet.ipv4Options([1, 1, 1, 0]) : packet.extensions([.destination([1, 2, 0, 0])])
        }
        return packet
    }

    private func ends(_ packet: Packet) -> (Ending, ReferenceNAT.Remote) {
        let (source, destination) = packet.ends
        return (
            Ending(source.address, source.port),
            .init(
                address: destination.address, port: [1, 58].contains(packet.protocolNumber) ? 0 : destination.port,
                protocol: packet.protocolNumber)
        )
    }

    /// Whole, or in parts.
    private mutating func parts(_ packet: Packet, _ other: Packet) -> [(Packet, Packet)] {
        guard random.oneIn(5), packet.payload.count > 40, packet.protocolNumber != 6 else { return [(packet, other)] }
        fragmentID += 1
        return Array(zip(packet.fragments(id: fragmentID, size: 24), other.fragments(id: fragmentID, size: 24)))
    }

    private mutating func compare(_ came: [NodeOutcome], _ expected: [Packet], _ what: String) -> String? {
        for (outcome, packet) in zip(came, expected) where !outcome.passes || outcome.bytes != packet.bytes {
            return "\(what): \(outcome.verdict), \(outcome.bytes) is not \(packet.bytes)"
        }
        return nil
    }

    private mutating func leave() throws -> String? {
        let family = pick(Family.allCases)
        let node = Lab.node(family)
        let source = random.oneIn(4) ? node : pick(lab.pods).address(family)
        var packet = packet(family, from: source, opens: true)
        let (end, remote) = ends(packet)
        // What is at its end begins nothing that an error could be about later.
        if book.known(end, to: remote) == nil, case .tcp(var header) = packet.transport {
            header.flags = .syn
            packet.transport = .tcp(header)
        }
        var expectation = book.leaves(end, to: remote, node: node)
        if case .newPort = expectation {
            // Which one, only the kernel knows: any will do that is nobody's. From then on it is this one.
            let out = try lab.leave(packet)
            guard out.passes, let port = out.source, port.address == node, port.port >= 32_768,
                book.isFree(port, towards: remote)
            else { return "\(packet.ends) left as \(out.source.map { "\($0)" } ?? "nothing"), \(out.verdict)" }
            book.note(end, to: remote, as: port)
            moved += 1
            expectation = .end(port)
        }
        guard case .end(let port) = expectation else {
            return compare([try lab.leave(packet)], [packet], "the node's own")
        }
        book.note(end, to: remote, as: port)
        translated += 1
        let pairs = parts(packet, packet.from(port))
        return compare(try pairs.map { try lab.leave($0.0) }, pairs.map(\.1), "\(packet.ends) as \(port)")
    }

    private mutating func arrive() throws -> String? {
        let family = pick(Family.allCases)
        var packet = packet(family, from: Lab.node(family), opens: false)
        // Often a port that somebody was moved to.
        let (own, remote) = ends(packet)
        let owner = Ending(pick(lab.pods).address(family), own.port)
        if let port = book.known(random.oneIn(3) ? own : owner, to: remote) { packet = packet.from(port) }
        let (end, _) = ends(packet)
        let answer = packet.reply
        guard case .end(let owner) = book.arrives(at: end, from: remote) else {
            return compare([try lab.arrive(answer)], [answer], "nobody's")
        }
        translated += 1
        let pairs = parts(answer, answer.to(owner))
        return compare(try pairs.map { try lab.arrive($0.0) }, pairs.map(\.1), "for \(owner)")
    }

    /// An error of the given packet's receiver or a router.
    private mutating func error(about packet: Packet, _ router: IPAddress?, _ limit: Int, _ kind: Int) -> Packet {
        switch kind {
        case 0: .unreachable(from: router, quoting: packet, limit: limit)
        case 1: .timeExceeded(from: router, quoting: packet, limit: limit)
        default: .packetTooBig(mtu: 1_300, from: router, quoting: packet, limit: limit)
        }
    }

    private mutating func errorArrives() throws -> String? {
        let family = pick(Family.allCases)
        let packet = packet(family, from: pick(lab.pods + [lab.a]).address(family), opens: true).extensions([])
        let (end, remote) = ends(packet)
        let seen = book.known(end, to: remote)
        let router = random.oneIn(2) ? Peers.node.address(family) : nil
        let header = packet.networkBytes.count - packet.payload.count
        let limit = random.oneIn(3) ? max(header - (packet.protocolNumber == 6 ? 12 : 0), 28) : 128
        let kind = Int.random(in: 0..<3, using: &random)
        let made = error(about: packet.from(seen ?? Ending(Lab.node(family), 9)), router, limit, kind)
        let out = try lab.arrive(made)
        guard seen != nil else { return compare([out], [made], "about nothing") }
        translated += 1
        return compare([out], [error(about: packet, router, limit, kind)], "an error about \(packet.ends)")
    }

    private mutating func errorLeaves() throws -> String? {
        let family = pick(Family.allCases)
        let packet = packet(family, from: pick(lab.pods).address(family), opens: true).extensions([])
        guard packet.protocolNumber != 1, packet.protocolNumber != 58 else { return nil }
        let (end, remote) = ends(packet)
        let kind = Int.random(in: 0..<3, using: &random)
        let stack = random.oneIn(2) ? Lab.node(family) : nil
        let out = try lab.leave(error(about: packet.reply, stack, 128, kind))
        guard let seen = book.known(end, to: remote) else {
            let isDropped = out.isDrop(DP_DROP_NAT_NO_MAPPING) || out.isDrop(DP_DROP_UNKNOWN_FLOW)
            return isDropped ? nil : "an error about nothing left: \(out.verdict)"
        }
        translated += 1
        return compare(
            [out], [error(about: packet.reply.to(seen), stack, 128, kind)], "an error of \(end) that is \(seen)")
    }

    /// Whatever it is: if it gets out, then not with a pod's address.
    private mutating func broken() throws -> String? {
        let family = pick(Family.allCases)
        var frame = packet(family, from: pick(lab.pods).address(family), opens: true).bytes
        for _ in 0..<Int.random(in: 1..<4, using: &random) {
            frame[Int.random(in: 14..<frame.count, using: &random)] = UInt8(truncatingIfNeeded: random.next())
        }
        if random.oneIn(4) { frame.removeLast(Int.random(in: 0..<max(1, frame.count - 54), using: &random)) }
        let maps = try lab.masquerading()
        let made = try lab.datapath.masqueradeCounters()?.made
        for out in [true, false] {
            let outcome =
                out ? try lab.runNode(maps.toNode, frame, out: out) : try lab.runNode(maps.fromNode, frame, out: out)
            guard [-1, 2].contains(outcome.verdict) else { return "verdict \(outcome.verdict) for \(frame)" }
            guard out, outcome.passes, let ip = outcome.packet?.ip,
                lab.pods.contains(where: { $0.address(family) == ip.source })
            else { continue }
            let excluded = ip.destination.isIPv4 ? prefix("10.0.0.0/8") : prefix("fd00::/8")
            let isReply =
                [0, 129].contains(outcome.packet?.icmpType ?? 255)
                || outcome.packet?.tcpFlags?.contains(.synAck) == true
            guard excluded.contains(ip.destination) || ip.destination == Lab.node(family) || isReply else {
                return "a pod's packet got out: \(outcome.bytes)"
            }
        }
        // The kernel may have made mappings for what was still whole, and the book knows nothing of them.
        if try lab.datapath.masqueradeCounters()?.made != made { try lab.forgetNew(since: book) }
        return nil
    }
}

extension Lab {
    /// Deletes the mappings that the book doesn't have.
    fileprivate func forgetNew(since book: ReferenceNAT) throws {
        for (key, entry) in try mappings() {
            let remote = ReferenceNAT.Remote(
                address: key.remote.address, port: UInt16(bigEndian: key.remote_port), protocol: key.protocol)
            let owner = Ending(entry.owner.address, UInt16(bigEndian: entry.port))
            let end = Ending(key.node.address, UInt16(bigEndian: key.node_port))
            if book.known(owner, to: remote) != end { try masquerading().mappings.delete(key) }
        }
    }
}

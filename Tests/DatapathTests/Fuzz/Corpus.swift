// SPDX-License-Identifier: Apache-2.0
import NetTypes
import TestSupport

@testable import Datapath

/// Packets of every kind between everybody, and ways to spoil them.
struct Corpus {
    struct Entry {
        var frame: [UInt8]
        var place: ReferenceDatapath.Place
    }

    private(set) var entries: [Entry] = []
    private let pods: [TestPod]
    private let uplink: UInt32
    /// What nodes reach each other by; nil: there are no tunnels.
    private let underlay: Family?
    private var addresses: [Family: [IPAddress]] = [:]

    private static let ports: [UInt16] = [53, 80, 81, 8_050, 40_000]
    private static let elsewhere: [(peer: TestPeer, node: TestPeer)] = [
        (Peers.remote, Peers.node), (Peers.stranger, Elsewhere.node), (Elsewhere.unheard, Peers.node),
        (Elsewhere.unknown, Elsewhere.node), (Peers.node, Peers.node), (Elsewhere.node, Elsewhere.node),
        (Elsewhere.apiServer, Elsewhere.node), (Peers.world, Peers.node), (Peers.wide, Peers.node),
    ]
    private static let identities: [UInt32] = [0, 1, 2, 6, 7, 9, 10, 2_001, 2_002, 2_003, 2_999, 0xff_ffff]

    init(_ lab: Lab, count: Int, using random: inout SplitMix64) {
        pods = lab.pods
        uplink = lab.uplink
        underlay = lab.datapath.configuration.overlay == nil ? nil : lab.underlay
        var others = [Peers.host, Peers.node, Peers.remote, Peers.stranger, Peers.wide, Peers.narrow, Peers.world]
        if underlay != nil {
            others += [
                Elsewhere.node, Elsewhere.apiServer, Elsewhere.service, Elsewhere.unheard, Elsewhere.unknown,
            ]
        }
        for family in Family.allCases {
            addresses[family] = pods.map { $0.address(family) } + others.map { $0.address(family) }
        }
        for _ in 0..<count { add(&random) }
    }

    private mutating func add(_ random: inout SplitMix64) {
        let family = random.oneIn(2) ? Family.ipv4 : .ipv6
        let pod = pick(pods, &random)
        let own = pod.address(family)
        if let underlay, random.oneIn(2) { return addTunnelled(pod, family, underlay, &random) }
        let other = pick((addresses[family] ?? []).filter { $0 != own }, &random)
        let isSent = random.oneIn(5) ? false : true
        let packets = make(isSent ? (own, other) : (other, own), family, &random)
        for packet in packets {
            let entry =
                isSent
                ? Entry(frame: packet.sent(by: pod).bytes, place: .from(pod.number))
                : Entry(frame: packet.bytes, place: .to(pod.number, ingress: ingress(other, &random)))
            entries.append(entry)
        }
    }

    /// Between a pod or this node and somebody elsewhere, mostly as it should be.
    private mutating func addTunnelled(
        _ pod: TestPod, _ family: Family, _ underlay: Family, _ random: inout SplitMix64
    ) {
        var (peer, node) = pick(Self.elsewhere, &random)
        let target = random.oneIn(8) ? pick(addresses[family] ?? [], &random) : pod.address(family)
        guard !random.oneIn(3) else {
            let link = random.oneIn(8) ? pick([0, uplink, Lab.tunnelLink] + pods.map(\.ifindex), &random) : pod.ifindex
            for packet in make((target, peer.address(family)), family, &random) {
                entries.append(Entry(frame: packet.bytes, place: .toTunnel(ingress: link)))
            }
            return
        }
        if random.oneIn(8) { node = pick([Peers.node, Elsewhere.node, Peers.world, Peers.host], &random) }
        let isNode = peer.isRemoteNode || random.oneIn(8)
        var identity = isNode ? 6 : peer.identity > 3_000 || peer.identity == 9 ? 2 : peer.identity
        if random.oneIn(8) { identity = pick(Self.identities, &random) }
        for packet in make((peer.address(family), target), family, &random) {
            entries.append(
                Entry(frame: packet.bytes, place: .fromTunnel(node.address(underlay), identity: identity)))
        }
    }

    /// Where packets of an address come in.
    private func ingress(_ address: IPAddress, _ random: inout SplitMix64) -> UInt32 {
        if random.oneIn(8) { return 0 }
        if let pod = pods.first(where: { $0.ipv4 == address || $0.ipv6 == address }) { return pod.ifindex }
        if underlay != nil, random.oneIn(3) { return Lab.tunnelLink }
        return Peers.host.ipv4Address == address || Peers.host.ipv6Address == address ? 0 : uplink
    }

    private func pick<Element>(_ elements: [Element], _ random: inout SplitMix64) -> Element {
        elements[Int.random(in: 0..<elements.count, using: &random)]
    }

    private func make(
        _ ends: (from: IPAddress, to: IPAddress), _ family: Family, _ random: inout SplitMix64
    ) -> [Packet] {
        var packet = plain(ends, &random)
        switch random.next() % 8 {
        case 0:
            let quoted = plain((ends.to, ends.from), &random)
            let router = random.oneIn(3) ? pick(addresses[family] ?? [], &random) : ends.from
            let type: UInt8 = family == .ipv4 ? pick([3, 11, 12], &random) : pick([1, 2, 3, 4], &random)
            return [.icmpError(type: type, code: 0, from: router, quoting: quoted)]
        case 1:
            packet = packet.payload(count: 100)
            return packet.fragments(id: UInt32.random(in: 1...4, using: &random), size: random.oneIn(3) ? 24 : 48)
        case 2 where family == .ipv6:
            let parts: [IPv6Extension] = [
                .hopByHop([]), .destination([]), .routing(type: 4, segmentsLeft: 0, data: []),
                .routing(type: 0, segmentsLeft: 0, data: []), .fragment(id: 3, offset: 0, more: false), .authentication,
            ]
            return [packet.extensions((0..<Int.random(in: 1...7, using: &random)).map { _ in pick(parts, &random) })]
        case 2:
            return [packet.ipv4Options([UInt8](repeating: 1, count: 4 * Int.random(in: 1...10, using: &random)))]
        default: return [packet]
        }
    }

    private func plain(_ ends: (from: IPAddress, to: IPAddress), _ random: inout SplitMix64) -> Packet {
        let (sport, dport) = (pick(Self.ports, &random), pick(Self.ports, &random))
        switch random.next() % 12 {
        case 0...4:
            let flags = pick([TCPFlags.syn, .synAck, .ack, .push, .finAck, .rst], &random)
            return .tcp(from: ends.from, to: ends.to, sport: sport, dport: dport, flags: flags)
        case 5...7: return .udp(from: ends.from, to: ends.to, sport: sport, dport: dport)
        case 8:
            let chunk = pick(
                [SCTPHeader.Chunk.initiation, .initiationAcknowledgement, .data, .abort, .shutdown], &random)
            return .sctp(from: ends.from, to: ends.to, sport: sport, dport: dport, chunks: [chunk])
        case 9: return .echoRequest(from: ends.from, to: ends.to, id: sport)
        case 10: return .echoReply(from: ends.from, to: ends.to, id: sport)
        default:
            return .ip(
                from: ends.from, to: ends.to, protocol: pick([47, 50, 4, 41, 1, 58], &random),
                payload: [UInt8](repeating: 8, count: 24))
        }
    }

    /// A packet of the collection, changed in up to four places or not at all.
    func next(_ random: inout SplitMix64) -> Entry {
        var entry = entries[Int.random(in: 0..<entries.count, using: &random)]
        var changes = Int(random.next() % 5)
        if random.oneIn(4) { changes = 0 }
        for _ in 0..<changes { spoil(&entry, &random) }
        return entry
    }

    private func spoil(_ entry: inout Entry, _ random: inout SplitMix64) {
        let isIPv4 = entry.frame.count > 14 && entry.frame[12] == 8
        // The headers, mostly.
        let reach = random.oneIn(4) ? entry.frame.count : min(entry.frame.count, isIPv4 ? 54 : 78)
        guard reach > 14 else { return }
        let offset = Int.random(in: 0..<reach, using: &random)
        switch random.next() % 10 {
        case 0...3: entry.frame[offset] ^= 1 << UInt8(random.next() % 8)
        case 4: entry.frame[offset] = pick([0, 1, 0x7f, 0x80, 0xff, 6, 17, 58, 44, 4], &random)
        case 5: entry.frame.removeSubrange(Int.random(in: 15..<max(16, reach), using: &random)...)
        case 6:
            // A length that isn't true.
            let field = isIPv4 ? 16 : 18
            guard entry.frame.count > field + 1 else { return }
            entry.frame[field + 1] = UInt8(truncatingIfNeeded: random.next())
        case 7: exchangeAddress(&entry.frame, isIPv4, &random)
        case 8:
            switch entry.place {
            case .from: entry.place = .from(pick(pods, &random).number)
            case .to(let number, _):
                entry.place = .to(number, ingress: pick([0, uplink] + pods.map(\.ifindex), &random))
            case .fromTunnel(let node, _):
                entry.place = .fromTunnel(node, identity: pick(Self.identities, &random))
            case .toTunnel:
                entry.place = .toTunnel(ingress: pick([0, uplink] + pods.map(\.ifindex), &random))
            }
        default:
            guard entry.frame.count > 40 else { return }
            entry.frame[isIPv4 ? 23 : 20] = pick([0, 1, 6, 17, 43, 44, 51, 58, 59, 60, 132], &random)
        }
    }

    /// Another's address in the place of the source or the destination.
    private func exchangeAddress(_ frame: inout [UInt8], _ isIPv4: Bool, _ random: inout SplitMix64) {
        let bytes = pick(addresses[isIPv4 ? .ipv4 : .ipv6] ?? [], &random).bytes
        let start = isIPv4 ? 26 : 22
        let place = start + (random.oneIn(2) ? 0 : bytes.count)
        guard frame.count >= place + bytes.count else { return }
        for index in 0..<bytes.count { frame[place + index] = bytes[index] }
    }
}

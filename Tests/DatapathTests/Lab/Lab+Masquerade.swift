// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import NetTypes
import TestSupport
import Testing

@testable import Datapath

/// What a node program did with a packet. `isDropped` and `reason` are of this packet alone.
struct NodeOutcome {
    let verdict: Int32
    /// Nil: not dropped, or not exactly one drop was counted.
    let reason: UInt8?
    let bytes: [UInt8]
    /// What the packet is marked with afterwards.
    let mark: UInt32

    /// On to the next program and the stack.
    var passes: Bool { verdict == -1 }
    func isDrop(_ reason: dp_drop) -> Bool { verdict == 2 && self.reason == reason.rawValue }
    var packet: ParsedPacket? { ParsedPacket(bytes) }
    /// What the source's end is now called; an echo's identifier is its port.
    var source: Ending? { packet.flatMap { Ending($0, isSource: true) } }
    var destination: Ending? { packet.flatMap { Ending($0, isSource: false) } }
}

struct Ending: Hashable, CustomStringConvertible {
    var address: IPAddress
    var port: UInt16

    init(_ address: IPAddress, _ port: UInt16) { (self.address, self.port) = (address, port) }

    init?(_ packet: ParsedPacket, isSource: Bool) {
        guard let ip = packet.ip else { return nil }
        let isEcho = [0, 8, 128, 129].contains(packet.icmpType ?? 255)
        let id = isEcho ? UInt16(packet.content[4]) << 8 | UInt16(packet.content[5]) : nil
        self.init(
            isSource ? ip.source : ip.destination,
            (isSource ? packet.sourcePort : packet.destinationPort) ?? id ?? 0)
    }

    var description: String { "\(address) \(port)" }
}

extension Packet {
    /// A copy with another source. An echo's port is its identifier.
    func from(_ end: Ending) -> Packet {
        withIP { $0.source = end.address }.with { packet in
            switch packet.transport {
            case .tcp(var header):
                header.source = end.port
                packet.transport = .tcp(header)
            case .udp(var header):
                header.source = end.port
                packet.transport = .udp(header)
            case .sctp(var header):
                header.source = end.port
                packet.transport = .sctp(header)
            case .icmp(var header) where [0, 8, 128, 129].contains(header.type):
                header.rest = UInt32(end.port) << 16 | header.rest & 0xffff
                packet.transport = .icmp(header)
            case .icmp, .other: break
            }
        }
    }

    /// A copy with another destination.
    func to(_ end: Ending) -> Packet { reply.from(end).reply }
}

/// What a pod may send to the outside.
enum Traffic: CaseIterable, CustomTestStringConvertible {
    case tcp, udp, echo, sctp

    var testDescription: String { "\(self)" }

    func packet(from source: IPAddress, to destination: IPAddress, sport: UInt16 = 40_000) -> Packet {
        switch self {
        case .tcp: .tcp(from: source, to: destination, sport: sport, dport: 443)
        case .udp: .udp(from: source, to: destination, sport: sport, dport: 53)
        case .echo: .echoRequest(from: source, to: destination, id: sport)
        case .sctp: .sctp(from: source, to: destination, sport: sport, dport: 5_000)
        }
    }
}

extension Lab {
    /// The node's addresses on its uplink.
    static func node(_ family: Family) -> IPAddress {
        TestSupport.address(family == .ipv4 ? "192.168.50.2" : "2001:db8:50::2")
    }

    var nodeNAT: NodeNAT {
        NodeNAT(
            uplinks: [
                .init(name: "uplink", ifindex: uplink, ipv4: Self.node(.ipv4), ipv6: Self.node(.ipv6))
            ],
            excluded: Set(["10.0.0.0/8", "fd00::/8", "192.168.50.2/32", "2001:db8:50::2/128"].map { prefix($0) }),
            podRanges: Set(["10.1.0.0/24", "fd00:1::/64"].map { prefix($0) }))
    }

    func masquerade(_ change: (inout NodeNAT) -> Void = { _ in }) throws {
        var nat = nodeNAT
        change(&nat)
        try datapath.setNodeNAT(nat)
    }

    func masquerading() throws -> Masquerading { try #require(datapath.masquerading) }

    /// What leaves by the uplink.
    func leave(_ packet: Packet, gsoSize: UInt32 = 0) throws -> NodeOutcome {
        try runNode(masquerading().toNode, packet.bytes, gsoSize: gsoSize, out: true)
    }

    /// What the uplink receives.
    func arrive(_ packet: Packet) throws -> NodeOutcome {
        try runNode(masquerading().fromNode, packet.bytes, out: false)
    }

    /// The kernel then checks, too, that a device's sum of the whole packet is kept up.
    private static let canSumPackets: Bool = {
        let program = try? BPFProgram(assembling: "sums", type: .trafficControl, [.set(0, 0), .exit])
        guard let program else { return false }
        return (try? program.testRun([UInt8](repeating: 0, count: 64), sumsPacket: true)) != nil
    }()

    func runNode(
        _ program: borrowing BPFProgram, _ frame: [UInt8], gsoSize: UInt32 = 0, out: Bool, ingress: UInt32? = nil,
        mark: UInt32 = 0
    ) throws -> NodeOutcome {
        // A pod's comes by way of the stack, as nobody has judged it on its way out of the pod.
        let source = ParsedPacket(frame)?.ip?.source
        let sender = pods.first { $0.ipv4 == source || $0.ipv6 == source } ?? a
        let context = SkbContext(
            ifindex: uplink, ingressIfindex: ingress ?? (out ? sender.ifindex : uplink), mark: mark,
            gsoSize: gsoSize,
            gsoSegments: gsoSize == 0 ? 0 : UInt32(frame.count) / gsoSize + 1)
        let result = try program.testRun(frame, context: context, sumsPacket: Self.canSumPackets && gsoSize == 0)
        let reason = result.verdict == 2 ? try takeDrop(fromPod: out) : nil
        return NodeOutcome(
            verdict: result.verdict, reason: reason, bytes: result.packet, mark: result.context?.mark ?? 0)
    }

    func mappings() throws -> [(key: nat_key, value: nat_entry)] { try masquerading().mappings.entries() }

    func forgetMappings() throws {
        guard let maps = datapath.masquerading else { return }
        let removed = try maps.mappings.deleteBatch(maps.mappings.entries().map(\.key))
        maps.collected += UInt64(removed)
        try maps.fragments.deleteBatch(maps.fragments.entries().map(\.key))
    }

    /// A mapping that can be looked for by what the packet that made it became.
    func mapping(of out: NodeOutcome, to remote: Packet) throws -> (key: nat_key, value: nat_entry)? {
        let number = remote.protocolNumber, source = out.source
        return try mappings().first { key, _ in
            key.protocol == number && key.node.address == source?.address
                && UInt16(bigEndian: key.node_port) == source?.port && key.remote.address == remote.ip?.destination
        }
    }
}

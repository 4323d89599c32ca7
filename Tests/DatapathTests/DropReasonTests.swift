// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// A packet that is dropped for one reason.
struct DropCase: Sendable, CustomTestStringConvertible {
    let name: String
    let reason: dp_drop
    var families = Family.allCases
    var change: @Sendable (inout DatapathConfiguration) -> Void = { _ in }
    /// What tunnels run over; nil: there are none.
    var underlay: Family?
    let run: @Sendable (Lab, Family) throws -> Action

    var testDescription: String { name }

    static let all: [DropCase] = [
        DropCase(name: "another pod's address on the way out", reason: DP_DROP_INVALID_SOURCE_IP) { lab, family in
            try lab.send(Talk(client: lab.b.address(family), server: lab.c.address(family)).opening, by: lab.a).action
        },
        DropCase(name: "the node's own connection, from outside", reason: DP_DROP_INVALID_SOURCE_IP) { lab, family in
            let talk = try lab.establish(from: Peers.host.address(family), to: lab.a, ingress: 0)
            return try lab.deliver(talk.fromClient(.push), to: lab.a).action
        },
        DropCase(name: "an address of a pod of this node from outside", reason: DP_DROP_INVALID_SOURCE_IP) {
            lab, family in
            try lab.deliver(Talk(client: lab.b.address(family), server: lab.a.address(family)).opening, to: lab.a)
                .action
        },
        DropCase(name: "a router's error that a pod made up", reason: DP_DROP_INVALID_SOURCE_IP) { lab, family in
            let talk = try lab.establish(lab.b, lab.c, family)
            let error = Packet.unreachable(from: lab.a.address(family), quoting: talk.fromClient(.ack))
            return try lab.send(error, by: lab.a).action
        },
        DropCase(name: "nothing allows the sender", reason: DP_DROP_POLICY_DENIED) { lab, family in
            try lab.enforce([lab.a: .closed])
            return try lab.send(Talk(client: lab.a.address(family), server: lab.b.address(family)).opening, by: lab.a)
                .action
        },
        DropCase(name: "nothing lets it in", reason: DP_DROP_POLICY_DENIED) { lab, family in
            try lab.enforce([lab.a: .closed])
            return try lab.deliver(
                Talk(client: Peers.remote.address(family), server: lab.a.address(family)).opening, to: lab.a
            ).action
        },
        DropCase(name: "a rule denies the sender", reason: DP_DROP_POLICY_DENY) { lab, family in
            try lab.enforce([lab.a: TestPolicy(egress: [0: .denyAll])])
            return try lab.send(Talk(client: lab.a.address(family), server: lab.b.address(family)).opening, by: lab.a)
                .action
        },
        DropCase(name: "a rule denies it entry", reason: DP_DROP_POLICY_DENY) { lab, family in
            try lab.enforce([lab.a: TestPolicy(ingress: [0: .denyAll])])
            return try lab.deliver(
                Talk(client: Peers.remote.address(family), server: lab.a.address(family)).opening, to: lab.a
            ).action
        },
        DropCase(name: "a packet to its own sender", reason: DP_DROP_INVALID_PACKET) { lab, family in
            try lab.send(Talk(client: lab.a.address(family), server: lab.a.address(family)).opening, by: lab.a).action
        },
        DropCase(name: "SYN and FIN at once, from outside", reason: DP_DROP_INVALID_PACKET) { lab, family in
            let talk = Talk(client: Peers.remote.address(family), server: lab.a.address(family))
            return try lab.deliver(talk.fromClient([.syn, .fin]), to: lab.a).action
        },
        DropCase(name: "a TCP header of four words", reason: DP_DROP_INVALID_HEADER) { lab, family in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            var header = TCPHeader(from: 40_000, to: 80, flags: .syn)
            header.headerWords = 4
            return try lab.send(talk.opening.with { $0.transport = .tcp(header) }, by: lab.a).action
        },
        DropCase(name: "half a header from outside", reason: DP_DROP_INVALID_HEADER) { lab, family in
            let talk = Talk(client: Peers.remote.address(family), server: lab.a.address(family))
            return try lab.deliver(talk.opening.truncated(to: family == .ipv4 ? 50 : 70), to: lab.a).action
        },
        DropCase(name: "GRE from a pod", reason: DP_DROP_UNKNOWN_L4) { lab, family in
            try lab.send(
                .ip(
                    from: lab.a.address(family), to: lab.b.address(family), protocol: 47,
                    payload: [UInt8](repeating: 8, count: 16)),
                by: lab.a
            ).action
        },
        DropCase(name: "the other family's ICMP from outside", reason: DP_DROP_UNKNOWN_L4) { lab, family in
            try lab.deliver(
                .ip(
                    from: Peers.remote.address(family), to: lab.a.address(family), protocol: family == .ipv4 ? 58 : 1,
                    payload: [UInt8](repeating: 8, count: 16)), to: lab.a
            ).action
        },
        DropCase(name: "ARP", reason: DP_DROP_UNSUPPORTED_L3, families: [.ipv4]) { lab, _ in
            try lab.sendFrame(
                Packet.arp(from: lab.a.ipv4, mac: lab.a.mac, to: lab.b.ipv4).bytes, on: lab.a.ifindex
            ).action
        },
        DropCase(name: "IPv4 is off", reason: DP_DROP_UNSUPPORTED_L3, families: [.ipv4], change: { $0.ipv4 = false }) {
            lab, family in
            try lab.deliver(Talk(client: Peers.remote.ipv4Address, server: lab.a.ipv4).opening, to: lab.a).action
        },
        DropCase(name: "IPv6 is off", reason: DP_DROP_UNSUPPORTED_L3, families: [.ipv6], change: { $0.ipv6 = false }) {
            lab, family in
            try lab.send(Talk(client: lab.a.ipv6, server: lab.b.ipv6).opening, by: lab.a).action
        },
        DropCase(name: "an ICMP timestamp", reason: DP_DROP_UNKNOWN_ICMP4_TYPE, families: [.ipv4]) { lab, _ in
            try lab.send(
                .icmp(from: lab.a.ipv4, to: lab.b.ipv4, type: 13, payload: [UInt8](repeating: 0, count: 12)), by: lab.a
            ).action
        },
        DropCase(name: "an ICMP redirect from outside", reason: DP_DROP_UNKNOWN_ICMP4_TYPE, families: [.ipv4]) {
            lab, _ in
            let talk = try lab.establish(lab.a, to: Peers.remote.ipv4Address)
            return try lab.deliver(
                .icmpError(type: 5, code: 1, from: address("10.1.0.254"), quoting: talk.fromClient(.ack)), to: lab.a
            ).action
        },
        DropCase(name: "an ICMPv6 node query", reason: DP_DROP_UNKNOWN_ICMP6_TYPE, families: [.ipv6]) { lab, _ in
            try lab.send(.icmp(from: lab.a.ipv6, to: lab.b.ipv6, type: 139, payload: [1, 2, 3, 4]), by: lab.a).action
        },
        DropCase(name: "an ICMPv6 error of no known type", reason: DP_DROP_UNKNOWN_ICMP6_TYPE, families: [.ipv6]) {
            lab, _ in
            try lab.deliver(
                .icmp(from: Peers.remote.ipv6Address, to: lab.a.ipv6, type: 5, payload: [1, 2, 3, 4]), to: lab.a
            ).action
        },
        DropCase(name: "multicast", reason: DP_DROP_UNKNOWN_TARGET) { lab, family in
            let group = address(family == .ipv4 ? "224.0.0.251" : "ff02::fb")
            return try lab.send(
                .udp(from: lab.a.address(family), to: group, sport: 5353, dport: 5353), by: lab.a
            ).action
        },
        DropCase(name: "a frame for everybody", reason: DP_DROP_UNKNOWN_TARGET) { lab, family in
            let packet = Packet.udp(from: lab.a.address(family), to: lab.b.address(family), sport: 1, dport: 2)
            return try lab.sendFrame(
                packet.macs(from: lab.a.mac, to: mac("ff:ff:ff:ff:ff:ff")).bytes, on: lab.a.ifindex
            ).action
        },
        DropCase(name: "another pod's gateway", reason: DP_DROP_NO_ENDPOINT) { lab, family in
            let packet = Talk(client: lab.b.address(family), server: lab.c.address(family)).opening
            return try lab.sendFrame(packet.macs(from: lab.a.mac, to: lab.b.gateway).bytes, on: lab.a.ifindex).action
        },
        DropCase(name: "a pod's address on another pod's device", reason: DP_DROP_NO_ENDPOINT) { lab, family in
            try lab.deliver(
                Talk(client: Peers.remote.address(family), server: lab.b.address(family)).opening, to: lab.a
            ).action
        },
        DropCase(name: "a pod that is being made", reason: DP_DROP_NO_ENDPOINT) { lab, family in
            var changes = Changeset()
            changes.peers = [(address("10.1.0.9"), PeerEntry(identity: 9, slot: 0, endpoint: 9))]
            changes.peers.append((address("fd00:1::9"), PeerEntry(identity: 9, slot: 0, endpoint: 9)))
            changes.views = [(9, lab.a.view(policy: 1))]
            try lab.datapath.apply(changes)
            let target = address(family == .ipv4 ? "10.1.0.9" : "fd00:1::9")
            return try lab.send(Talk(client: lab.a.address(family), server: target).opening, by: lab.a).action
        },
        DropCase(
            name: "a connection table without room", reason: DP_DROP_FLOW_INSERT_FAILED, change: { $0.sizes.flows = 1 }
        ) { lab, family in try insertFailure(lab, family) },
        DropCase(name: "source routing", reason: DP_DROP_IPV6_EXTENSION, families: [.ipv6]) { lab, _ in
            let packet = Talk(client: lab.a.ipv6, server: lab.b.ipv6).opening
            let data = [0, 0, 0, 0] + address("fd00:1::3").mappedBytes
            return try lab.send(packet.extensions([.routing(type: 0, segmentsLeft: 1, data: data)]), by: lab.a).action
        },
        DropCase(name: "no next header, from outside", reason: DP_DROP_IPV6_EXTENSION, families: [.ipv6]) { lab, _ in
            try lab.deliver(.ip(from: Peers.remote.ipv6Address, to: lab.a.ipv6, protocol: 59), to: lab.a).action
        },
        DropCase(name: "fragments are off", reason: DP_DROP_FRAGMENT, change: { $0.fragments = false }) { lab, family in
            let packet = Packet.udp(from: lab.a.address(family), to: lab.b.address(family), sport: 1, dport: 2)
            return try lab.send(packet.payload(count: 200).fragments(id: 7, size: 64)[0], by: lab.a).action
        },
        DropCase(name: "an answer that nobody asked for", reason: DP_DROP_UNKNOWN_FLOW) { lab, family in
            let talk = Talk(client: Peers.remote.address(family), server: lab.a.address(family))
            return try lab.send(talk.fromServer(.synAck), by: lab.a).action
        },
        DropCase(name: "an answer from outside that nobody asked for", reason: DP_DROP_UNKNOWN_FLOW) { lab, family in
            try lab.deliver(
                .echoReply(from: Peers.remote.address(family), to: lab.a.address(family), id: 7), to: lab.a
            ).action
        },
        DropCase(name: "an error of an unknown connection", reason: DP_DROP_UNKNOWN_FLOW) { lab, family in
            let talk = Talk(client: lab.a.address(family), server: Peers.remote.address(family))
            return try lab.deliver(.unreachable(quoting: talk.opening), to: lab.a).action
        },
        DropCase(name: "no policy yet", reason: DP_DROP_NO_CONFIG) { lab, family in
            try lab.datapath.setEndpoint(lab.a.endpoint, view: lab.a.view(policy: 0))
            return try lab.send(Talk(client: lab.a.address(family), server: lab.b.address(family)).opening, by: lab.a)
                .action
        },
        DropCase(name: "no policy yet for who is to get it", reason: DP_DROP_NO_CONFIG) { lab, family in
            try lab.datapath.setEndpoint(lab.a.endpoint, view: lab.a.view(policy: 0))
            return try lab.deliver(
                Talk(client: Peers.remote.address(family), server: lab.a.address(family)).opening, to: lab.a
            ).action
        },
        DropCase(name: "a later fragment first", reason: DP_DROP_FRAGMENT_NOT_FOUND) { lab, family in
            let packet = Packet.udp(from: lab.a.address(family), to: lab.b.address(family), sport: 1, dport: 2)
            return try lab.send(packet.payload(count: 200).fragments(id: 7, size: 64)[1], by: lab.a).action
        },
        DropCase(name: "a later fragment first, from outside", reason: DP_DROP_FRAGMENT_NOT_FOUND) { lab, family in
            let packet = Packet.udp(
                from: Peers.remote.address(family), to: lab.a.address(family), sport: 1, dport: 2)
            return try lab.deliver(packet.payload(count: 200).fragments(id: 7, size: 64)[1], to: lab.a).action
        },
        DropCase(name: "neighbour solicitation", reason: DP_DROP_FORBIDDEN_ICMP6, families: [.ipv6]) { lab, _ in
            try lab.sendFrame(
                Packet.neighbourSolicitation(from: lab.a.ipv6, mac: lab.a.mac, target: lab.b.ipv6).bytes,
                on: lab.a.ifindex
            ).action
        },
        DropCase(name: "router advertisement from outside", reason: DP_DROP_FORBIDDEN_ICMP6, families: [.ipv6]) {
            lab, _ in
            try lab.deliver(.routerAdvertisement(from: address("fe80::66"), mac: mac("02:00:00:00:00:66")), to: lab.a)
                .action
        },
        DropCase(name: "to a place that no node has", reason: DP_DROP_NO_TUNNEL_ENDPOINT, underlay: .ipv4) {
            lab, family in
            try lab.leave(
                Talk(client: Peers.host.address(family), server: Elsewhere.unheard.address(family)).opening, ingress: 0
            ).action
        },
        DropCase(name: "to a node that is gone", reason: DP_DROP_NO_TUNNEL_ENDPOINT, underlay: .ipv6) { lab, family in
            try lab.datapath.setNode(1, nil)
            return try lab.send(
                Talk(client: lab.a.address(family), server: Peers.remote.address(family)).opening, by: lab.a
            ).action
        },
        DropCase(name: "a node's pod in the node's name", reason: DP_DROP_INVALID_IDENTITY, underlay: .ipv4) {
            lab, family in
            try lab.receive(
                Talk(client: Peers.remote.address(family), server: lab.a.address(family)).opening, identity: 6
            ).action
        },
        DropCase(name: "an identity that nobody has", reason: DP_DROP_INVALID_IDENTITY, underlay: .ipv6) {
            lab, family in
            try lab.receive(
                Talk(client: Elsewhere.unknown.address(family), server: lab.a.address(family)).opening,
                identity: Elsewhere.unknown.identity
            ).action
        },
        DropCase(name: "a tunnel of nobody's", reason: DP_DROP_UNKNOWN_SENDER, underlay: .ipv6) { lab, family in
            try lab.receive(
                Talk(client: Peers.remote.address(family), server: lab.a.address(family)).opening,
                from: Peers.world.ipv6Address, identity: Peers.remote.identity
            ).action
        },
        DropCase(name: "a pod's own tunnel", reason: DP_DROP_UNKNOWN_SENDER, underlay: .ipv4) { lab, family in
            let target = Peers.node.address(family)
            return try lab.send(
                .udp(from: lab.a.address(family), to: target, sport: 5_000, dport: Lab.tunnelPort), by: lab.a
            ).action
        },
        DropCase(name: "a VLAN tag", reason: DP_DROP_VLAN) { lab, family in
            let packet = Talk(client: lab.a.address(family), server: lab.b.address(family)).opening
            return try lab.send(packet.vlan(5), by: lab.a).action
        },
        DropCase(name: "a provider's VLAN tag, from outside", reason: DP_DROP_VLAN) { lab, family in
            let talk = Talk(client: Peers.remote.address(family), server: lab.a.address(family))
            return try lab.deliver(talk.opening.vlan(5).with(Self.provider), to: lab.a).action
        },
        DropCase(name: "the node has no address to masquerade it with", reason: DP_DROP_NAT_NO_MAPPING) { lab, family in
            try lab.masquerade { ($0.uplinks[0].ipv4, $0.uplinks[0].ipv6) = (nil, nil) }
            let out = try lab.leave(Traffic.tcp.packet(from: lab.a.address(family), to: Peers.world.address(family)))
            return out.verdict == 2 ? .drop(out.reason) : .pass
        },
    ]

    /// Makes the outer tag one of 802.1ad.
    private static let provider: @Sendable (inout Packet) -> Void = { packet in
        let inner = packet.with { $0.vlanTags = [] }
        packet = .ethernet(type: 0x88a8, payload: [0, 5] + inner.bytes[12...])
            .macs(from: packet.sourceMAC, to: packet.destinationMAC)
    }

    /// Two CPUs fight for the only element of the table until one of them finds none: a table that has anything to
    /// evict never refuses.
    private static func insertFailure(_ lab: Lab, _ family: Family) throws -> Action {
        let host = Peers.host.address(family)
        let frames = [lab.a, lab.b].map {
            Talk(client: $0.address(family), server: host).opening.sent(by: $0).bytes
        }
        let hammer = try Hammer(lab, [Hammer.Job(frame: frames[0], ifindex: lab.a.ifindex, repetitions: 1_000)])
        defer { hammer.stop() }
        let counter = DropCounter(reason: DP_DROP_FLOW_INSERT_FAILED.rawValue, fromPod: true)
        let context = SkbContext(ifindex: lab.b.ifindex, ingressIfindex: lab.b.ifindex)
        let happened = try eventually(timeout: .seconds(30), every: .zero) {
            _ = try lab.datapath.fromEndpoint.testRun(frames[1], context: context, repetitions: 1_000)
            return try lab.packets(at: counter.index) > 0
        }
        return happened ? .drop(DP_DROP_FLOW_INSERT_FAILED) : .pass
    }
}

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct DropReasonTests {
    @Test func `every reason has a packet that is dropped for it`() {
        let covered = Set(DropCase.all.map(\.reason.rawValue))
        let missing = dropReasons.filter { !covered.contains($0) }.map(dropText)
        #expect(missing == [])
    }

    @Test func `no two reasons have the same number or text`() {
        #expect(Set(dropReasons).count == dropReasons.count)
        #expect(Set(dropReasons.map(dropText)).count == dropReasons.count)
        #expect(dropText(1) == "unknown")
    }

    @Test(arguments: DropCase.all)
    func `a packet is dropped, counted once and for its reason`(drop: DropCase) throws {
        for family in drop.families {
            func check(_ lab: Lab) throws {
                let action = try drop.run(lab, family)
                #expect(action == .drop(drop.reason), "\(family)")
            }
            if let underlay = drop.underlay {
                guard TunnelWrapper.isSupported else { try Test.cancel("needs Linux 6.0") }
                try Lab.runOverlay(over: underlay, drop.change, check)
            } else {
                try Lab.run(drop.change, check)
            }
        }
    }
}

extension TestPeer {
    var ipv4Address: IPAddress { address(.ipv4) }
    var ipv6Address: IPAddress { address(.ipv6) }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import Netlink
import PolicyEngine
import Synchronization
import TestSupport

@testable import Datapath

/// A node of a small cluster: a network namespace with a datapath, a VXLAN device and two pods with real sockets.
final class OverlayNode {
    static let count: UInt32 = 2
    static let device = "overlay"
    static let port: UInt16 = 8_472

    let number: UInt32
    let underlay: Family
    let namespace: TestNamespace
    private(set) var pods: [OverlayPod] = []
    private(set) var datapath: Datapath
    private let pins: PinMount
    private var lastPolicy: UInt32 = 1
    /// What `apply` has brought since the start, for the next one.
    private var views: [UInt16: EndpointView] = [:]
    private var rows: [(key: PolicyRowKey, row: PolicyRow)] = []
    /// What was dropped before the test at hand.
    private var earlierDrops: [String: UInt64] = [:]

    static func address(_ node: UInt32, _ family: Family) -> IPAddress {
        TestSupport.address(family == .ipv4 ? "192.168.77.\(node)" : "fd77::\(node)")
    }

    static func range(_ node: UInt32, _ family: Family) -> Prefix {
        prefix(family == .ipv4 ? "10.\(node).0.0/24" : "fd00:\(node)::/64")
    }

    /// Room for the outer headers in 1500 bytes.
    static func mtu(over underlay: Family) -> UInt32 { underlay == .ipv4 ? 1_450 : 1_430 }

    private init(_ number: UInt32, over underlay: Family) throws {
        self.number = number
        self.underlay = underlay
        namespace = try TestNamespace()
        pins = try PinMount()
        let link = try namespace.run { try Self.makeDevice(mtu: Self.mtu(over: underlay)) }
        let configuration = Lab.configuration(pins.path) {
            $0.overlay = OverlayDevice(
                name: Self.device, ifindex: UInt32(link), port: Self.port, isIPv6: underlay == .ipv6)
        }
        datapath = try namespace.run { try Datapath(configuration) }
    }

    private static func makeDevice(mtu: UInt32) throws -> Int32 {
        try Sysctl.write("net/ipv4/ip_forward", "1")
        try Sysctl.write("net/ipv6/conf/all/forwarding", "1")
        var socket = try NetlinkSocket()
        try socket.perform([
            .createVXLAN(VXLANDevice(name: device, port: port, mtu: mtu)),
            .setLink(.name(device), LinkChange(isUp: true, generatesIPv6Address: false)),
        ])
        return try socket.link(.name(device))?.index ?? 0
    }

    /// Lends two nodes that are joined, with all that each has to know of the other, as new. What a test failed in is
    /// not used again.
    static func withPair(over underlay: Family, _ body: (OverlayNode, OverlayNode) throws -> Void) throws {
        let pair = try OverlayPairs.shared.take(underlay) ?? makePair(over: underlay)
        for node in [pair.0, pair.1] { try node.namespace.run { try node.reset() } }
        try body(pair.0, pair.1)
        OverlayPairs.shared.give(pair)
    }

    private static func makePair(over underlay: Family) throws -> (OverlayNode, OverlayNode) {
        let first = try OverlayNode(1, over: underlay)
        let second = try OverlayNode(2, over: underlay)
        let other = second.namespace.fd
        _ = try first.namespace.netlink { socket in
            try socket.createVeth(VethEnd(name: "wire"), peer: VethEnd(name: "wire", namespace: other))
        }
        for node in [first, second] {
            try node.joinUnderlay()
            try node.namespace.run { try node.start() }
        }
        return (first, second)
    }

    private func joinUnderlay() throws {
        try namespace.run { try Sysctl.write("net/ipv6/conf/wire/accept_dad", "0") }
        try namespace.netlink { socket in
            try socket.perform(.setLink(.name("wire"), LinkChange(isUp: true)))
            let wire = try socket.link(.name("wire"))?.index ?? 0
            let overlay = try socket.link(.name(Self.device))?.index ?? 0
            for family in Family.allCases {
                let own = Self.address(number, family)
                try socket.perform(
                    .addAddress(
                        LinkAddress(
                            link: wire, address: own, prefixLength: family == .ipv4 ? 24 : 64,
                            flags: family == .ipv4 ? 0 : LinkAddress.noDAD)))
                for other in 1...Self.count where other != number {
                    try socket.perform(
                        .replaceRoute(Route(Self.range(other, family), link: overlay, source: own)))
                }
            }
        }
        for index in 1...2 { pods.append(try OverlayPod(UInt16(index), on: self)) }
    }

    private func reset() throws {
        for pod in pods { try enforce(.open, on: pod) }
        for node in 1...Self.count where node != number { try tell(ofPods: node, true) }
        _ = try datapath.shared.flows.deleteBatch(datapath.shared.flows.entries().map(\.key))
        earlierDrops = [:]
        earlierDrops = try drops()
    }

    /// Brings the addresses of another node's pods into the tables, or takes them away.
    func tell(ofPods node: UInt32, _ isTold: Bool) throws {
        var changes = Changeset()
        for pod in 1...2 {
            let entry = PeerEntry(
                identity: OverlayPod.identity(pod, on: node), slot: OverlayPod.slot(pod, on: node), node: node)
            let addresses = Family.allCases.map { OverlayPod.address(pod, on: node, $0) }
            if isTold {
                changes.peers += addresses.map { ($0, entry) }
            } else {
                changes.removedPeers += addresses
            }
        }
        changes.judgeAgain = true
        try namespace.run { _ = try datapath.apply(changes) }
    }

    /// Fills the tables, puts the programs to work.
    private func start() throws {
        var changes = Changeset()
        for family in Family.allCases {
            changes.peers.append((Self.address(number, family), PeerEntry(identity: 1, slot: 2, isHost: true)))
        }
        changes.classWords = [(0, 200), (1, 201), (2, 202), (3, 203)]
        for node in 1...Self.count {
            for pod in 1...2 {
                let identity = OverlayPod.identity(pod, on: node), slot = OverlayPod.slot(pod, on: node)
                changes.classWords.append((slot, slot))
                if node == number { continue }
                changes.identities.append((identity, slot))
                for address in Family.allCases.map({ OverlayPod.address(pod, on: node, $0) }) {
                    changes.peers.append((address, PeerEntry(identity: identity, slot: slot, node: node)))
                }
            }
            guard node != number else { continue }
            try datapath.setNode(node, Self.address(node, underlay))
            for family in Family.allCases {
                changes.peers.append(
                    (Self.address(node, family), PeerEntry(identity: 6, slot: 3, isRemoteNode: true, node: node)))
            }
        }
        changes.addedRows = rows
        for pod in pods {
            let view = views[pod.number] ?? pod.view(policy: 1)
            views[pod.number] = view
            changes.peers += pod.addresses.map {
                ($0, PeerEntry(identity: pod.identity, slot: 0, endpoint: pod.number))
            }
            changes.views.append((pod.number, view))
        }
        try datapath.apply(changes)
        for pod in pods {
            try datapath.setEndpoint(pod.endpoint, view: views[pod.number] ?? pod.view(policy: 1))
            try datapath.attach(pod.number)
        }
        try datapath.finishStart()
        try guardUplink()
    }

    /// The programs of the device to the other node, which see each tunnel's packets pass.
    private func guardUplink() throws {
        var socket = try NetlinkSocket()
        let wire = try socket.link(.name("wire"))?.index ?? 0
        let nodes = (1...Self.count).flatMap { node in Family.allCases.map { Self.address(node, $0) } }
        let ranges = (1...Self.count).flatMap { node in Family.allCases.map { Self.range(node, $0) } }
        try datapath.setNodeNAT(
            NodeNAT(
                uplinks: [
                    .init(
                        name: "wire", ifindex: UInt32(wire), ipv4: Self.address(number, .ipv4),
                        ipv6: Self.address(number, .ipv6))
                ],
                excluded: Set(nodes.compactMap { Prefix($0, length: $0.isIPv4 ? 32 : 128) } + ranges),
                podRanges: Set(Family.allCases.map { Self.range(number, $0) })))
    }

    /// What an agent does that starts again: nothing of the old one's is detached.
    func restart() throws {
        try namespace.run {
            datapath = try Datapath(datapath.configuration)
            try start()
        }
    }

    /// Gives a pod rules; they outlive `restart`.
    func enforce(_ policy: TestPolicy, on pod: OverlayPod) throws {
        lastPolicy += 1
        var changes = Changeset()
        for (direction, table) in [(Direction.ingress, policy.ingress), (.egress, policy.egress)] {
            for (classID, row) in table ?? [:] {
                changes.addedRows.append(
                    (PolicyRowKey(policy: lastPolicy, classID: classID, direction: direction), row))
            }
        }
        let view = pod.view(policy: lastPolicy, ingress: policy.ingress != nil, egress: policy.egress != nil)
        changes.views = [(pod.number, view)]
        rows += changes.addedRows
        views[pod.number] = view
        try namespace.run { _ = try datapath.apply(changes) }
    }

    /// By reason, since the test began. The chatter of the pods' stacks is left out.
    func drops() throws -> [String: UInt64] {
        var drops: [String: UInt64] = [:]
        for drop in try datapath.counters().drops where drop.reason != DP_DROP_FORBIDDEN_ICMP6.rawValue {
            drops[drop.text, default: 0] += drop.count.packets
        }
        for (text, count) in earlierDrops { drops[text] = (drops[text] ?? 0) - count }
        return drops.filter { $0.value > 0 }
    }
}

/// A pair takes seconds to make, most of them the verifier's, so pairs go from test to test.
private final class OverlayPairs: Sendable {
    static let shared = OverlayPairs()

    private struct Pair: @unchecked Sendable {
        // With one test at a time.
        let nodes: (OverlayNode, OverlayNode)
    }

    private let idle = Mutex<[Family: Pair]>([:])

    private init() {
        // Mounts and namespaces outlive the process.
        atexit { OverlayPairs.shared.idle.withLock { $0 = [:] } }
    }

    func take(_ underlay: Family) -> (OverlayNode, OverlayNode)? {
        idle.withLock { $0.removeValue(forKey: underlay)?.nodes }
    }

    func give(_ nodes: (OverlayNode, OverlayNode)) {
        let pair = Pair(nodes: nodes)
        idle.withLock { $0[nodes.0.underlay] = pair }
    }
}

/// A pod of such a node, wired as the plugin does it.
struct OverlayPod {
    let number: UInt16
    let node: UInt32
    let namespace: TestNamespace
    let ifindex: UInt32

    static func address(_ pod: Int, on node: UInt32, _ family: Family) -> IPAddress {
        TestSupport.address(family == .ipv4 ? "10.\(node).0.\(pod)" : "fd00:\(node)::\(pod)")
    }

    static func identity(_ pod: Int, on node: UInt32) -> UInt32 { node * 1_000 + UInt32(pod) }
    /// Also its class.
    static func slot(_ pod: Int, on node: UInt32) -> UInt32 { node * 10 + UInt32(pod) }

    var identity: UInt32 { Self.identity(Int(number), on: node) }
    var classID: UInt32 { Self.slot(Int(number), on: node) }
    var name: String { "pod\(number)" }
    var mac: MACAddress { MACAddress(value: 0x02_aa_00_00_00_00 | UInt64(number)) }
    var addresses: [IPAddress] { Family.allCases.map { address($0) } }

    func address(_ family: Family) -> IPAddress { Self.address(Int(number), on: node, family) }

    init(_ number: UInt16, on node: OverlayNode) throws {
        self.number = number
        self.node = node.number
        namespace = try TestNamespace()
        let mtu = OverlayNode.mtu(over: node.underlay), gateway = MACAddress.gateway(endpoint: number)
        let own = MACAddress(value: 0x02_aa_00_00_00_00 | UInt64(number))
        let inner = namespace.fd
        let link = try node.namespace.netlink { socket in
            try socket.createVeth(
                VethEnd(name: "pod\(number)", mac: gateway, mtu: mtu),
                peer: VethEnd(name: "eth0", mac: own, mtu: mtu, namespace: inner))
        }
        ifindex = UInt32(link.index)
        let addresses = Family.allCases.map { Self.address(Int(number), on: node.number, $0) }
        try namespace.netlink { socket in
            let index = try socket.link(.name("eth0"))?.index ?? 0
            try socket.perform(.setLink(.index(index), LinkChange(isUp: true, generatesIPv6Address: false)))
            for address in addresses {
                let router = TestSupport.address(address.isIPv4 ? "169.254.1.1" : "fe80::1")
                let flags = address.isIPv4 ? 0 : LinkAddress.noDAD | LinkAddress.noPrefixRoute
                try socket.perform([
                    .addAddress(LinkAddress(link: index, address: address, flags: flags)),
                    .replaceNeighbour(Neighbour(link: index, address: router, mac: gateway)),
                    .addRoute(
                        Route(
                            prefix(address.isIPv4 ? "0.0.0.0/0" : "::/0"), link: index, gateway: router,
                            isOnLink: true)),
                ])
            }
        }
        try node.namespace.netlink { socket in
            try socket.perform(
                .setLink(.index(link.index), LinkChange(isUp: true, generatesIPv6Address: false)))
            for address in addresses {
                try socket.perform([
                    .replaceNeighbour(Neighbour(link: link.index, address: address, mac: own)),
                    .replaceRoute(Route(Prefix(host: address), link: link.index)),
                ])
            }
        }
    }

    var endpoint: LocalEndpoint {
        LocalEndpoint(
            number: number, ifindex: ifindex, hostInterface: name, mac: mac, ipv4: address(.ipv4),
            ipv6: address(.ipv6))
    }

    func view(policy: UInt32, ingress: Bool = false, egress: Bool = false) -> EndpointView {
        EndpointView(
            policy: policy, enforceIngress: ingress, enforceEgress: egress, slot4: classID, slot6: classID,
            identity: identity)
    }
}

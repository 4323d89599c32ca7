// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import Netlink
import PolicyEngine
import TestSupport

@testable import Datapath

/// A datapath in a network namespace of its own, with three pods, a way out, and peers of every kind.
///
/// Packets are given to its programs by BPF_PROG_TEST_RUN; nothing is attached unless a test does it. At first every pod
/// may do everything. All of it is gone when the value is.
final class Lab {
    let namespace: ScratchNamespace
    let pins: PinMount
    private(set) var datapath: Datapath
    let a, b, c: TestPod
    /// The node's device to the outside, with a neighbour behind it.
    let uplink: UInt32
    /// Live views, by endpoint number.
    var views: [UInt16: EndpointView] = [:]
    /// Rows of the live policies, by endpoint number.
    var rows: [UInt16: [PolicyRowKey]] = [:]
    var lastPolicy: UInt32 = 0
    /// Drops seen so far: the difference is what one packet adds.
    var drops: [DropCounter: UInt64] = [:]

    /// Makes packets come out of tunnels, in labs that have some.
    var tunnel: TunnelWrapper?

    /// A test has changed what `reset` does not put right.
    var isSpoilt = false

    var pods: [TestPod] { [a, b, c] }

    /// What was done to the namespace; "" for nothing.
    let variant: String

    init(variant: String = "", _ change: (inout DatapathConfiguration) -> Void = { _ in }) throws {
        self.variant = variant
        namespace = try ScratchNamespace()
        pins = try PinMount()
        let made = try namespace.run {
            (
                try TestPod(1), try TestPod(2), try TestPod(3),
                try VethPair("uplink", "outside").first
            )
        }
        (a, b, c, uplink) = made
        let configuration = Self.configuration(pins.path, change)
        datapath = try namespace.run { try Datapath(configuration) }
        try namespace.run { try fill() }
    }

    static func configuration(
        _ mount: String, _ change: (inout DatapathConfiguration) -> Void
    ) -> DatapathConfiguration {
        var configuration = DatapathConfiguration(pinDirectory: mount + "/skein", objectDirectory: objectDirectory)
        configuration.sizes.flows = 8192
        configuration.sizes.fragments = 1024
        configuration.sizes.pods = 64
        configuration.sizes.cidrs = 64
        configuration.sizes.slots = 64
        configuration.sizes.policyRows = 512
        configuration.sizes.portEntries = 65_536
        configuration.sizes.endpoints = 32
        configuration.sizes.ruleHits = 128
        configuration.sizes.denySources = 1024
        configuration.sizes.nat = 8192
        configuration.sizes.natPrefixes = 256
        configuration.eventsPerSecond = 1_000_000
        change(&configuration)
        return configuration
    }

    func inside<Result>(_ body: () throws -> Result) throws -> Result { try namespace.run(body) }

    /// Puts another datapath in the place of the first, as an agent that starts again does. Nothing of the old one is
    /// detached.
    func restart(_ change: (inout DatapathConfiguration) -> Void = { _ in }) throws {
        datapath = try Datapath(Self.configuration(pins.path, change))
        try fill()
        try noteDrops()
    }

    /// The whole state as a changeset for an empty datapath: peers, prefixes and class words as in `Peers`, and the pods
    /// with their live views, or open ones. Rows are not in it.
    func base() -> Changeset {
        var changes = Changeset()
        changes.classWords = Peers.classes
        for peer in Peers.all { changes.peers += peer.entries }
        changes.prefixes = Peers.prefixes.map { (prefix($0), $1, $2) }
        for pod in pods {
            changes.peers += pod.entries
            let view = views[pod.number] ?? pod.view(policy: 1)
            views[pod.number] = view
            changes.views.append((pod.number, view))
        }
        lastPolicy = max(lastPolicy, 1)
        return changes
    }

    private func fill() throws {
        try datapath.apply(base())
        for pod in pods { try datapath.setEndpoint(pod.endpoint, view: views[pod.number] ?? pod.view(policy: 1)) }
    }

    /// Makes everything as it was at first.
    func reset() throws {
        try settleAtOnce()
        try forgetFlows()
        var ring = try RingBuffer(datapath.shared.events.duplicate())
        try ring.consume { _ in }
        try datapath.setDenyLists([], device: nil)
        try datapath.setNodeNAT(NodeNAT(uplinks: [], excluded: [], podRanges: []))
        try forgetMappings()
        try datapath.shared.fragments.deleteBatch(datapath.shared.fragments.entries().map(\.key))
        views = [:]
        rows = [:]
        var changes = base()
        let addresses = Set(changes.peers.map(\.address))
        let prefixes = Set(changes.prefixes.map(\.prefix))
        changes.removedPeers = try datapath.set.pods.entries().map(\.key.address).filter { !addresses.contains($0) }
        changes.removedPrefixes = try datapath.set.cidrs.entries().compactMap(\.key.prefix)
            .filter { !prefixes.contains($0) }
        changes.removedRows = try datapath.set.policy.entries().map { key, _ in
            PolicyRowKey(
                policy: key.policy, classID: key.class_dir >> 1, direction: key.class_dir & 1 == 0 ? .ingress : .egress)
        }
        let slots = Set(changes.classWords.map(\.slot))
        for slot in 0..<UInt32(datapath.configuration.sizes.slots) where !slots.contains(slot) {
            if datapath.set.classes.loadWord(at: Int(slot), \.class_id) != 0 { changes.classWords.append((slot, 0)) }
        }
        for number in datapath.endpoints.keys { try datapath.removeEndpoint(number) }
        for pod in pods { try datapath.setEndpoint(pod.endpoint, view: pod.view(policy: 1)) }
        try datapath.apply(changes)
        try settleAtOnce()
        try noteDrops()
    }

    /// Without waiting for packets in flight: between tests there are none.
    private func settleAtOnce() throws {
        datapath.leftover?.needsGrace = false
        try datapath.settle()
    }

    /// Where `make bpf` puts the kernel programs.
    static let objectDirectory: String = {
        if let path = unsafe getenv("SKEIN_BPF_DIR") { return unsafe String(cString: path) }
        let parts = #filePath.split(separator: "/").dropLast(4)
        return "/" + parts.joined(separator: "/") + "/build/bpf"
    }()
}

/// A pod of this node.
struct TestPod: Hashable {
    let number: UInt16
    /// Host side of its veth.
    let ifindex: UInt32
    let name: String
    let mac: MACAddress
    let ipv4: IPAddress
    let ipv6: IPAddress

    /// Makes its veth in the calling thread's namespace.
    init(_ number: UInt16) throws {
        self.number = number
        name = "pod\(number)"
        ifindex = try VethPair(name, "in-\(name)").first
        mac = MACAddress(value: 0x02_aa_00_00_00_00 | UInt64(number))
        ipv4 = TestSupport.address("10.1.0.\(number)")
        ipv6 = TestSupport.address("fd00:1::\(number)")
    }

    var gateway: MACAddress { .gateway(endpoint: number) }
    var identity: UInt32 { 1_000 + UInt32(number) }
    /// Of both its addresses.
    var slot: UInt32 { 10 + UInt32(number) }
    var classID: UInt32 { 100 + UInt32(number) }

    func address(_ family: Family) -> IPAddress { family == .ipv4 ? ipv4 : ipv6 }

    var endpoint: LocalEndpoint {
        LocalEndpoint(
            number: number, ifindex: ifindex, hostInterface: name, mac: mac, ipv4: ipv4, ipv6: ipv6)
    }

    var entries: [(address: IPAddress, entry: PeerEntry)] {
        [ipv4, ipv6].map { ($0, PeerEntry(identity: identity, slot: 0, endpoint: number)) }
    }

    func view(policy: UInt32, ingress: Bool = false, egress: Bool = false) -> EndpointView {
        EndpointView(
            policy: policy, enforceIngress: ingress, enforceEgress: egress, slot4: slot, slot6: slot,
            identity: identity)
    }
}

enum Family: CaseIterable, CustomStringConvertible {
    case ipv4
    case ipv6

    var description: String { self == .ipv4 ? "IPv4" : "IPv6" }
    var icmp: IPProtocol { self == .ipv4 ? .icmp : .icmpv6 }
    var echoRequest: UInt8 { self == .ipv4 ? 8 : 128 }
    var echoReply: UInt8 { self == .ipv4 ? 0 : 129 }
}

/// Who else there is, in both families.
struct TestPeer {
    let ipv4, ipv6: String
    var identity: UInt32
    var slot: UInt32
    var isHost = false
    var isRemoteNode = false
    var isService = false

    func address(_ family: Family) -> IPAddress { TestSupport.address(family == .ipv4 ? ipv4 : ipv6) }

    var entries: [(address: IPAddress, entry: PeerEntry)] { entries(on: 0) }

    /// - Parameter node: number of the other node that has it.
    func entries(on node: UInt32) -> [(address: IPAddress, entry: PeerEntry)] {
        Family.allCases.map {
            (
                address($0),
                PeerEntry(
                    identity: identity, slot: slot, isHost: isHost, isRemoteNode: isRemoteNode,
                    isService: isService, node: node)
            )
        }
    }
}

enum Peers {
    static let host = TestPeer(ipv4: "10.1.255.1", ipv6: "fd00:1::ffff:1", identity: 1, slot: 2, isHost: true)
    static let node = TestPeer(ipv4: "10.9.0.1", ipv6: "fd00:9::1", identity: 6, slot: 20, isRemoteNode: true)
    static let remote = TestPeer(ipv4: "10.2.0.1", ipv6: "fd00:2::1", identity: 2_001, slot: 21)
    static let stranger = TestPeer(ipv4: "10.2.0.2", ipv6: "fd00:2::2", identity: 2_002, slot: 22)
    static let all = [host, node, remote, stranger]

    /// In the wide prefix, in the narrow one within it, and in none.
    static let wide = TestPeer(ipv4: "192.0.2.9", ipv6: "2001:db8::9", identity: 3_001, slot: 30)
    static let narrow = TestPeer(ipv4: "192.0.2.129", ipv6: "2001:db8:1::9", identity: 3_002, slot: 31)
    static let world = TestPeer(ipv4: "203.0.113.5", ipv6: "2001:4860::5", identity: 9, slot: 0)

    static let prefixes: [(String, UInt32, UInt32)] = [
        ("192.0.2.0/24", 3_001, 30), ("192.0.2.128/25", 3_002, 31),
        ("2001:db8::/32", 3_001, 30), ("2001:db8:1::/48", 3_002, 31),
    ]

    /// Slot to class: classes are 100 more than the pods' numbers and 200 more than the others' slots.
    static let classes: [(slot: UInt32, classID: UInt32)] =
        [0, 1, 2, 20, 21, 22, 30, 31].map { ($0, 200 + $0) } + [11, 12, 13].map { ($0, 90 + $0) }
}

extension TestPeer {
    /// Of this family: the world has a slot for each.
    func classID(_ family: Family) -> UInt32 { 200 + slot + (slot == 0 && family == .ipv6 ? 1 : 0) }
}

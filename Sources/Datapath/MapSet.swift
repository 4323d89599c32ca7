// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Kernel

/// The maps that a start makes afresh: what addresses, classes and policies there are. They live as long as a program
/// that uses them is attached.
struct MapSet: ~Copyable {
    let baseSlots: MappedArray<dp_base_slots>
    let endpoints: MappedArray<endpoint>
    let classes: MappedArray<class_word>
    let pods: BPFMap<dp_addr, pod_entry>
    let nodes: BPFMap<UInt32, node_entry>
    let identities: BPFMap<UInt32, identity_entry>
    let cidrs: BPFMap<cidr_key, cidr_entry>
    let policy: BPFMap<policy_key, policy_row>
    let ports: BPFMap<port_key, port_entry>
    let ruleHits: PerCPUArray<UInt64>

    /// Every throw comes before the first stored property: a value that can't be copied can't be half made.
    init(in object: borrowing BPFObject) throws(BPFError) {
        let baseSlots: MappedArray<dp_base_slots> = try object.map("base_slots")
        let endpoints: MappedArray<endpoint> = try object.map("endpoints")
        let classes: MappedArray<class_word> = try object.map("classes")
        let pods: BPFMap<dp_addr, pod_entry> = try object.map("pods")
        let nodes: BPFMap<UInt32, node_entry> = try object.map("nodes")
        let identities: BPFMap<UInt32, identity_entry> = try object.map("identities")
        let cidrs: BPFMap<cidr_key, cidr_entry> = try object.map("cidrs")
        let policy: BPFMap<policy_key, policy_row> = try object.map("policy")
        let ports: BPFMap<port_key, port_entry> = try object.map("ports")
        let ruleHits: PerCPUArray<UInt64> = try object.map("rule_hits")
        self.baseSlots = baseSlots
        self.endpoints = endpoints
        self.classes = classes
        self.pods = pods
        self.nodes = nodes
        self.identities = identities
        self.cidrs = cidrs
        self.policy = policy
        self.ports = ports
        self.ruleHits = ruleHits
    }

    static let names = [
        "base_slots", "endpoints", "classes", "pods", "nodes", "identities", "cidrs", "policy", "ports", "rule_hits",
    ]
}

/// The maps that outlive the agent: connections, the epoch that they were judged under, counters and events. Pinned, and
/// adopted by the next start.
struct SharedMaps: ~Copyable {
    let state: MappedArray<dp_state>
    let flows: BPFMap<flow_key, flow>
    /// Keys of `flows` in the order of their making, for the programs: what a full table displaces is found by it.
    let flowRing: BPFMap<UInt32, flow_key>
    let fragments: BPFMap<fragment_key, fragment>
    let counters: PerCPUArray<dp_counter_value>
    let events: MapHandle

    init(in object: borrowing BPFObject) throws(BPFError) {
        let state: MappedArray<dp_state> = try object.map("state")
        let flows: BPFMap<flow_key, flow> = try object.map("flows")
        let flowRing: BPFMap<UInt32, flow_key> = try object.map("flow_ring")
        let fragments: BPFMap<fragment_key, fragment> = try object.map("fragments")
        let counters: PerCPUArray<dp_counter_value> = try object.map("counters")
        let events: MapHandle = try object.map("events")
        self.state = state
        self.flows = flows
        self.flowRing = flowRing
        self.fragments = fragments
        self.counters = counters
        self.events = events
    }

    static let names = ["state", "flows", "flow_ring", "fragments", "counters", "events"]

    var epoch: UInt32 { state.loadWord(at: 0, \.epoch) }

    /// Makes every flow be judged once more. One more switches every endpoint to its other view, two more don't.
    func bump(by step: UInt32) {
        state.storeWord(at: 0, \.epoch, epoch &+ step)
    }
}

/// Where things are pinned below the configured folder.
struct PinPaths {
    let root: String

    /// Maps that outlive the agent; a layout of another version has another folder.
    var shared: String { "\(root)/maps-\(DP_ABI_VERSION)" }
    /// Links of programs to devices.
    var links: String { "\(root)/links" }
    /// The current start's own maps, for people with bpftool.
    var set: String { "\(root)/set" }

    func shared(_ map: String) -> String { "\(shared)/\(map)" }
    func set(_ map: String) -> String { "\(set)/\(map)" }
    func link(_ number: UInt16, _ side: Side) -> String { "\(links)/\(number)-\(side.rawValue)" }

    enum Side: String, CaseIterable {
        case from
        case to
    }

    func overlayLink(_ side: Side) -> String { "\(links)/overlay-\(side.rawValue)" }

    func link(denyingOn device: String) -> String { "\(links)/xdp-\(device)" }

    /// The device in the name of a deny program's link, nil for other files.
    static func device(ofLink name: String) -> String? {
        name.hasPrefix("xdp-") ? String(name.dropFirst(4)) : nil
    }

    func link(_ side: Side, uplink device: String) -> String { "\(links)/node-\(side.rawValue)-\(device)" }

    /// The device in the name of a node program's link, nil for other files.
    static func uplink(ofLink name: String) -> String? {
        Side.allCases.lazy.map { "node-\($0.rawValue)-" }.first { name.hasPrefix($0) }
            .map { String(name.dropFirst($0.count)) }
    }

    /// The endpoint number in a link's name, nil for other files.
    static func number(ofLink name: String) -> UInt16? {
        let parts = name.split(separator: "-")
        guard parts.count == 2, Side(rawValue: String(parts[1])) != nil else { return nil }
        return UInt16(parts[0])
    }

    /// Below the usual mount point that is mounted if it isn't; anywhere else the folder itself becomes a bpf file system
    /// unless it lies on one.
    func makeFolders() throws {
        let usual = BPFFS.defaultMount
        if root == usual || root.hasPrefix(usual + "/") { try BPFFS.ensureMounted(at: usual) }
        try Directory.create(root)
        try BPFFS.ensureMounted(at: root)
        for folder in [shared, links, set] { try Directory.create(folder) }
    }

    /// What a version with another layout has left: no program of this one's uses it.
    func removeOtherVersions() throws {
        for name in try Directory.namesIfThere(in: root) where name.hasPrefix("maps-") && "\(root)/\(name)" != shared {
            try Directory.removeTree("\(root)/\(name)")
        }
    }

    /// All of it, but for the folder itself if it is a mount point.
    func removeFolders() throws {
        try removeOtherVersions()
        for folder in [shared, links, set] { try Directory.removeTree(folder) }
        try SystemError.ignoring(.busy, .notEmpty) { () throws(SystemError) in try Directory.remove(root) }
    }
}

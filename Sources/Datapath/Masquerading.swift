// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Kernel
import NetTypes

/// The node programs and their maps: loaded when masquerading is first asked for.
final class Masquerading {
    /// Adopted from an earlier start, as they outlive the agent.
    let mappings: BPFMap<nat_key, nat_entry>
    let fragments: BPFMap<fragment_key, fragment>
    let counters: PerCPUArray<dp_counter_value>
    /// This start's own.
    let devices: BPFMap<UInt32, nat_device>
    let prefixes: BPFMap<cidr_key, nat_prefix>
    let fromNode: BPFProgram
    let toNode: BPFProgram
    /// What is in force.
    var current: NodeNAT?
    /// Mappings at the last sweep.
    var live = 0
    var collected: UInt64 = 0
    private let madeAtStart: UInt64

    /// The names of the maps that outlive the agent: in the object, and as pins.
    private static let pinned = [
        (map: "nat", pin: "nat"), (map: "fragments", pin: "node_fragments"), (map: "nat_counters", pin: "nat_counters"),
    ]

    /// - Parameter endpoint: the endpoint programs' object, whose connections, counters and events these share.
    init(
        _ configuration: DatapathConfiguration, settings: dp_config, sharing endpoint: borrowing BPFObject,
        _ paths: PinPaths
    ) throws {
        let sizes = configuration.sizes
        var spec = try BPFSpec(path: configuration.objectDirectory + "/node.bpf.o")
        try spec.setConfig(settings)
        try spec.setConfig(nat_config(seed: Self.seed()), section: ".rodata.nat")
        try spec.resize(map: "nat", maxEntries: sizes.nat)
        try spec.resize(map: "nat_prefixes", maxEntries: sizes.natPrefixes)
        try spec.resize(map: "fragments", maxEntries: sizes.fragments)
        // Of the rest the programs use none, but the file has them.
        for name in MapSet.names + SharedMaps.names where name != "fragments" {
            let map: MapHandle = try endpoint.map(name)
            try spec.reuse(map: name, map)
        }
        let pinned = PinnedMaps(names: Self.pinned, paths: paths, sizes: sizes)
        _ = try pinned.adopt(into: &spec)
        let object = try spec.load()
        let mappings: BPFMap<nat_key, nat_entry> = try object.map("nat")
        let counters: PerCPUArray<dp_counter_value> = try object.map("nat_counters")
        try pinned.bringOver(to: mappings, pin: "nat")
        try pinned.pin(object)
        madeAtStart = try Self.countMade(counters) &- UInt64(try mappings.count())
        fragments = try object.map("fragments")
        devices = try object.map("nat_devices")
        prefixes = try object.map("nat_prefixes")
        fromNode = try object.program("from_node")
        toNode = try object.program("to_node")
        self.mappings = mappings
        self.counters = counters
    }

    /// FNV-1a of the boot's id: moved connections are looked for where an earlier agent put them, so the seed has to last as
    /// long as they can.
    private static func seed() -> UInt32 {
        let id = (try? AtomicFile.readIfThere("/proc/sys/kernel/random/boot_id")) ?? []
        return id.reduce(0x811c_9dc5) { ($0 ^ UInt32($1)) &* 0x0100_0193 }
    }

    /// Makes the maps say this. Throws with them as they were.
    func write(_ wanted: NodeNAT, _ sizes: MapSizes) throws {
        guard wanted.uplinks.count <= devices.maxEntries else {
            throw DatapathError.invalid(
                "\(wanted.uplinks.count) devices to masquerade on; at most \(devices.maxEntries) are possible")
        }
        let entries = wanted.prefixEntries
        guard entries.count <= sizes.natPrefixes else {
            throw DatapathError.mapFull(map: "nat_prefixes", size: sizes.natPrefixes, setting: "map-nat-prefixes")
        }
        do {
            try writePrefixes(entries)
            try writeDevices(wanted.deviceEntries)
        } catch {
            if let current {
                _ = try? writePrefixes(current.prefixEntries)
                _ = try? writeDevices(current.deviceEntries)
            }
            throw error
        }
        current = wanted
    }

    /// What is new first and the longest of it before all, what is gone last and the shortest of it at first: an address
    /// that both the old and the new state say the same of never has another meaning in between. Returns what differed.
    @discardableResult
    func writePrefixes(_ wanted: [Prefix: UInt32]) throws -> [Prefix] {
        var missing = wanted
        var gone: [(key: cidr_key, prefix: Prefix?)] = []
        for (key, value) in try prefixes.entries() {
            if let prefix = key.prefix, let flags = wanted[prefix] {
                if flags == value.flags { missing[prefix] = nil }
            } else {
                gone.append((key, key.prefix))
            }
        }
        let added = missing.sorted { $0.key.length > $1.key.length }
        // There may be no room for both: then what is gone has to go first.
        let room = prefixes.maxEntries - wanted.count
        if gone.count > room { try prefixes.deleteBatch(gone.map(\.key)) }
        try prefixes.updateBatch(
            keys: added.map { cidr_key($0.key) }, values: added.map { nat_prefix(flags: $0.value) })
        if gone.count <= room {
            try prefixes.deleteBatch(gone.sorted { $0.key.prefixlen < $1.key.prefixlen }.map(\.key))
        }
        return added.map(\.key) + gone.compactMap(\.prefix)
    }

    /// Returns the devices whose entries differed.
    @discardableResult
    func writeDevices(_ wanted: [UInt32: nat_device]) throws -> [UInt32] {
        var differing: [UInt32] = []
        var there = Dictionary(try devices.entries().map { ($0.key, $0.value) }) { $1 }
        for (ifindex, entry) in wanted {
            let old = there.removeValue(forKey: ifindex)
            guard old?.ipv4.address != entry.ipv4.address || old?.ipv6.address != entry.ipv6.address else { continue }
            try devices.update(ifindex, entry)
            differing.append(ifindex)
        }
        for ifindex in there.keys {
            try devices.delete(ifindex)
            differing.append(ifindex)
        }
        return differing
    }

    /// Deletes the mappings of these owners.
    func forget(_ owners: Set<IPAddress>, batch: Bool) throws {
        var scan = MapScan<nat_key, nat_entry>(chunk: 4096, batch: batch)
        while try scan.next(mappings) {
            for index in 0..<scan.count where owners.contains(scan.value(index).owner.address) {
                if try mappings.delete(scan.key(index)) { collected += 1 }
            }
        }
    }

    /// Mappings that the full table displaced since it was made.
    func evicted() throws(BPFError) -> UInt64 {
        let made = try Self.countMade(counters) &- madeAtStart
        let accounted = collected + UInt64(live)
        return made > accounted ? made - accounted : 0
    }

    func count(_ counter: nat_counter) throws(BPFError) -> PacketCount {
        try counters.reduce(Int(counter.rawValue), into: PacketCount(packets: 0, bytes: 0)) {
            $0.packets += $1.packets
            $0.bytes += $1.bytes
        }
    }

    private static func countMade(_ counters: borrowing PerCPUArray<dp_counter_value>) throws(BPFError) -> UInt64 {
        try counters.reduce(Int(DP_NAT_COUNT_NEW.rawValue), into: 0) { $0 += $1.packets }
    }
}

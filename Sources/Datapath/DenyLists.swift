// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
package import NetTypes

/// A named list of sources to drop at the device.
package struct DenyList: Hashable, Sendable {
    package var name: String
    package var prefixes: [Prefix]

    package init(name: String, prefixes: [Prefix]) {
        self.name = name
        self.prefixes = prefixes
    }
}

/// What a deny list has done since it was loaded.
package struct DenyListUsage: Hashable, Sendable {
    package var name: String
    package var prefixes: Int
    package var dropped: PacketCount
}

/// The XDP program on one device, and its lists.
final class DenyLists {
    let device: String
    /// "native" or "generic": whether the driver runs the program before it makes an skb; "" when an earlier start chose.
    let mode: String
    let sources: BPFMap<cidr_key, deny_entry>
    private let hits: PerCPUArray<dp_counter_value>
    private let link: BPFLink
    /// Group numbers. A list keeps its own as long as there is one of its name, and so its counts.
    private var groups: [String: UInt32] = [:]
    /// In the order in which they were given.
    private var lists: [(name: String, prefixes: Int)] = []
    private(set) var entries = 0

    init(device: String, configuration: DatapathConfiguration, pin: String) throws {
        let ifindex = unsafe if_nametoindex(device)
        guard ifindex != 0 else { throw DatapathError.invalid("there is no device \(device) for the deny lists") }
        var spec = try BPFSpec(path: configuration.objectDirectory + "/xdp.bpf.o")
        try spec.resize(map: "deny_sources", maxEntries: configuration.sizes.denySources)
        let object = try spec.load()
        sources = try object.map("deny_sources")
        hits = try object.map("deny_hits")
        self.device = device
        let program = try object.program("deny_source")
        if let pinned = try? BPFLink(pinned: pin), let info = try? pinned.info(), info.ifindex == ifindex {
            link = pinned
            mode = ""
            pending = consume program
        } else {
            try BPFPin.remove(pin)
            let new = try BPFLink.attachXDP(program, ifindex: ifindex)
            try new.pin(to: pin, replacing: true)
            mode = new.xdpMode == .generic ? "generic" : "native"
            link = new
            pending = nil
        }
    }

    /// The program that is to take the place of an earlier start's as soon as the lists are filled.
    private var pending: BPFProgram?

    func name(of group: Int) -> String { groups.first { $0.value == UInt32(group) }?.key ?? "" }

    /// Makes the lists be these. A prefix of two lists belongs to the first. Entries that stay are not touched.
    func set(_ lists: [DenyList], _ configuration: DatapathConfiguration) throws {
        guard lists.count <= Int(DP_DENY_GROUPS) else {
            throw DatapathError.invalid("\(lists.count) deny lists; at most \(DP_DENY_GROUPS) are possible")
        }
        let numbers = number(lists.map(\.name))
        var wanted: [Prefix: UInt32] = [:]
        var coversMapped = false
        for list in lists {
            guard let group = numbers[list.name] else { continue }
            for prefix in list.prefixes where wanted[prefix] == nil {
                wanted[prefix] = group
                // Longest match is over mapped addresses: ::/0 would mean every IPv4 source, too.
                if !prefix.address.isIPv4, prefix.length < 96, cidr_key(prefix).coversMappedIPv4 { coversMapped = true }
            }
        }
        if coversMapped, let all = Prefix(.unspecifiedIPv4, length: 0), wanted[all] == nil {
            wanted[all] = UInt32(DP_DENY_NOT)
        }
        guard wanted.count <= configuration.sizes.denySources else {
            throw DatapathError.mapFull(
                map: "deny_sources", size: configuration.sizes.denySources, setting: "map-deny-sources")
        }
        for (name, group) in numbers where groups[name] != group { try hits.reset(Int(group)) }
        try write(wanted, configuration)
        groups = numbers
        self.lists = lists.map { ($0.name, $0.prefixes.count) }
        entries = wanted.count
        guard pending != nil, let program = pending.take() else { return }
        try link.update(to: program)
    }

    private func number(_ names: [String]) -> [String: UInt32] {
        var numbers = groups.filter { names.contains($0.key) }
        let taken = Set(numbers.values)
        var free = (0..<UInt32(DP_DENY_GROUPS)).filter { !taken.contains($0) }.makeIterator()
        for name in names where numbers[name] == nil { numbers[name] = free.next() }
        return numbers
    }

    /// What is new first, what is gone last, so that nothing that is in both is ever let through; of what is new the longer
    /// prefixes first, of what is gone last, so that an exception is there as long as what it excepts from. If it does not
    /// work out, the new entries are taken back.
    private func write(_ wanted: [Prefix: UInt32], _ configuration: DatapathConfiguration) throws {
        var missing = wanted
        var gone: [cidr_key] = []
        var changed: [(key: cidr_key, before: deny_entry)] = []
        for (key, value) in try sources.entries() {
            guard let prefix = key.prefix, let group = wanted[prefix] else {
                gone.append(key)
                continue
            }
            if value.group == group { missing[prefix] = nil } else { changed.append((key, value)) }
        }
        gone.sort { $0.prefixlen < $1.prefixlen }
        let added = missing.map { (key: cidr_key($0.key), group: $0.value) }
            .sorted { $0.key.prefixlen > $1.key.prefixlen }
        do {
            // There may be no room for both: then what is gone has to go first.
            if missing.count + gone.count + (wanted.count - missing.count) > configuration.sizes.denySources {
                _ = try sources.deleteBatch(gone)
                gone = []
            }
            try translate(configuration.sizes) { () throws(BPFError) in
                try sources.updateBatch(
                    keys: added.map(\.key), values: added.map { deny_entry(group: $0.group) })
            }
        } catch {
            let before = Set(changed.compactMap(\.key.prefix))
            for prefix in missing.keys where !before.contains(prefix) { _ = try? sources.delete(cidr_key(prefix)) }
            for (key, value) in changed { try? sources.update(key, value) }
            throw error
        }
        _ = try sources.deleteBatch(gone)
    }

    func usage() throws -> [DenyListUsage] {
        try lists.map { name, prefixes in
            let dropped = try hits.reduce(Int(groups[name] ?? 0), into: PacketCount(packets: 0, bytes: 0)) {
                $0.packets += $1.packets
                $0.bytes += $1.bytes
            }
            return DenyListUsage(name: name, prefixes: prefixes, dropped: dropped)
        }
    }

    func detach(pin: String) throws {
        try link.detach()
        try BPFPin.remove(pin)
    }
}

extension cidr_key {
    /// Whether ::ffff:0:0/96 lies in this IPv6 prefix.
    var coversMappedIPv4: Bool {
        guard prefixlen < 96, let prefix else { return false }
        return Prefix(prefix.address, length: Int(prefixlen))?.address == prefix.address
            && prefix.address.high == 0
            && (prefixlen <= 64 || (0xffff_0000_0000 ^ prefix.address.low) >> UInt64(128 - prefixlen) == 0)
    }
}

extension Datapath {
    /// Drops the sources of these lists on a device before the stack sees them. No device: takes the program off. Throws with
    /// the lists as they were.
    package func setDenyLists(_ lists: [DenyList], device: String?) throws {
        if let current = denyLists, current.device != device {
            try current.detach(pin: paths.link(denyingOn: current.device))
            denyLists = nil
        }
        guard let device else { return }
        if denyLists == nil {
            denyLists = try DenyLists(device: device, configuration: configuration, pin: paths.link(denyingOn: device))
        }
        try denyLists?.set(lists, configuration)
    }

    package func denyListUsage() throws -> (device: String, mode: String, lists: [DenyListUsage])? {
        guard let denyLists else { return nil }
        return (denyLists.device, denyLists.mode, try denyLists.usage())
    }
}

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
    /// By group number.
    private var names: [String] = []
    private var sizes: [Int] = []
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

    func name(of group: Int) -> String { names.indices.contains(group) ? names[group] : "" }

    /// Makes the lists be these. A prefix of two lists belongs to the first. Entries that stay are not touched.
    func set(_ lists: [DenyList], _ configuration: DatapathConfiguration) throws {
        guard lists.count <= Int(DP_DENY_GROUPS) else {
            throw DatapathError.invalid("\(lists.count) deny lists; at most \(DP_DENY_GROUPS) are possible")
        }
        var wanted: [Prefix: UInt32] = [:]
        var coversMapped = false
        for (group, list) in lists.enumerated() {
            for prefix in list.prefixes where wanted[prefix] == nil {
                wanted[prefix] = UInt32(group)
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
        try write(wanted, configuration, renamed: names != lists.map(\.name))
        names = lists.map(\.name)
        sizes = lists.map(\.prefixes.count)
        entries = wanted.count
        guard pending != nil, let program = pending.take() else { return }
        try link.update(to: program)
    }

    private func write(_ wanted: [Prefix: UInt32], _ configuration: DatapathConfiguration, renamed: Bool) throws {
        if renamed { for group in 0..<Int(DP_DENY_GROUPS) { try hits.reset(group) } }
        var missing = wanted
        for (key, value) in try sources.entries() {
            guard let prefix = key.prefix, let group = wanted[prefix] else {
                _ = try sources.delete(key)
                continue
            }
            if value.group == group { missing[prefix] = nil }
        }
        try translate(configuration.sizes) { () throws(BPFError) in
            try sources.updateBatch(
                keys: missing.map { cidr_key($0.key) }, values: missing.map { deny_entry(group: $0.value) })
        }
    }

    func usage() throws -> [DenyListUsage] {
        try names.enumerated().map { group, name in
            let dropped = try hits.reduce(group, into: PacketCount(packets: 0, bytes: 0)) {
                $0.packets += $1.packets
                $0.bytes += $1.bytes
            }
            return DenyListUsage(name: name, prefixes: sizes[group], dropped: dropped)
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
    /// Drops the sources of these lists on a device before the stack sees them. No device, or no list: takes the program
    /// off. Throws with the lists as they were.
    package func setDenyLists(_ lists: [DenyList], device: String?) throws {
        if let current = denyLists, current.device != device {
            try current.detach(pin: pin(ofXDPOn: current.device))
            denyLists = nil
        }
        guard let device else { return }
        if denyLists == nil {
            denyLists = try DenyLists(device: device, configuration: configuration, pin: pin(ofXDPOn: device))
        }
        try denyLists?.set(lists, configuration)
    }

    private func pin(ofXDPOn device: String) -> String { "\(paths.links)/xdp-\(device)" }

    package func denyListUsage() throws -> (device: String, mode: String, lists: [DenyListUsage])? {
        guard let denyLists else { return nil }
        return (denyLists.device, denyLists.mode, try denyLists.usage())
    }
}

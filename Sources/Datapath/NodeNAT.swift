// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
package import NetTypes

/// How pods' packets leave for the outside of the cluster, and come in from there: by which devices, and with which
/// addresses.
package struct NodeNAT: Hashable, Sendable {
    /// A device to the outside. Ethernet: what has no Ethernet header is not understood.
    package struct Uplink: Hashable, Sendable {
        package var name: String
        /// In this process's network namespace.
        package var ifindex: UInt32
        /// The sources that packets leave with. Nil: pods' packets of that family are dropped there.
        package var ipv4: IPAddress?
        package var ipv6: IPAddress?

        package init(name: String, ifindex: UInt32, ipv4: IPAddress?, ipv6: IPAddress?) {
            self.name = name
            self.ifindex = ifindex
            self.ipv4 = ipv4
            self.ipv6 = ipv6
        }
    }

    /// At most 64.
    package var uplinks: [Uplink]
    /// False: pods' packets leave as they are, and only those that come in are seen to.
    package var masquerades: Bool
    /// Destinations that see the pods' own addresses: the cluster's pods and nodes, and what else was asked for.
    package var excluded: Set<Prefix>
    /// Where the addresses of this node's pods are from. As destinations they are excluded, too.
    package var podRanges: Set<Prefix>

    package init(uplinks: [Uplink], masquerades: Bool = true, excluded: Set<Prefix>, podRanges: Set<Prefix>) {
        self.uplinks = uplinks
        self.masquerades = masquerades
        self.excluded = excluded
        self.podRanges = podRanges
    }

    /// What `nat_prefixes` is to hold. An entry says all that is true for its addresses, as the longest one decides alone.
    var prefixEntries: [Prefix: UInt32] {
        let inside = excluded.union(podRanges)
        func covered(_ prefix: Prefix, by set: Set<Prefix>) -> Bool {
            (0...prefix.length).contains { length in
                Prefix(prefix.address, length: length).map(set.contains) ?? false
            }
        }
        var entries: [Prefix: UInt32] = [:]
        for prefix in inside {
            entries[prefix] =
                DP_NAT_INSIDE.rawValue | (covered(prefix, by: podRanges) ? DP_NAT_PODS.rawValue : 0)
        }
        // Longest match is over mapped addresses: ::/0 would mean every IPv4 address, too.
        if inside.contains(where: { !$0.isIPv4 && cidr_key($0).coversMappedIPv4 }),
            let all = Prefix(.unspecifiedIPv4, length: 0), entries[all] == nil
        {
            entries[all] = 0
        }
        return entries
    }

    var deviceEntries: [UInt32: nat_device] {
        guard masquerades else { return [:] }
        return Dictionary(
            uplinks.map {
                (
                    $0.ifindex,
                    nat_device(
                        ipv4: $0.ipv4.map { dp_addr($0) } ?? dp_addr(), ipv6: $0.ipv6.map { dp_addr($0) } ?? dp_addr())
                )
            }, uniquingKeysWith: { $1 })
    }
}

/// What masquerading has done since its maps were made, over all CPUs.
package struct MasqueradeCounters: Hashable, Sendable {
    package var out: PacketCount
    package var `in`: PacketCount
    /// Mappings made, and those of them that could not keep their port.
    package var made: UInt64
    package var moved: UInt64
}

extension cidr_key {
    /// For people.
    func describe(_ entry: nat_prefix) -> [String] {
        let meanings = [
            entry.flags & DP_NAT_PODS.rawValue != 0 ? "pods" : nil,
            entry.flags & DP_NAT_INSIDE.rawValue != 0 ? "not masqueraded" : nil,
        ].compactMap(\.self)
        return [prefix.map { "\($0)" } ?? "?", meanings.isEmpty ? "outside" : meanings.joined(separator: ", ")]
    }
}

// SPDX-License-Identifier: Apache-2.0
package import IPAM
package import NetTypes

/// Where the nodes' pod ranges come from.
package struct PodRangeSettings: Hashable, Sendable {
    package var ipv4: [Prefix] = []
    /// Prefix length of the range that a node gets.
    package var ipv4Length = 24
    package var ipv6: [Prefix] = []
    package var ipv6Length = 120
    /// A node that has fewer free addresses than this gets another range.
    package var minimumFree: UInt64 = 8

    package init() {}
}

/// The pools of both families.
package struct PodRangePools: Sendable {
    package var ipv4: PrefixPool?
    package var ipv6: PrefixPool?

    package init(_ settings: PodRangeSettings) throws(PrefixPoolError) {
        if settings.ipv4.isEmpty, settings.ipv6.isEmpty { throw .noRanges }
        // Families that are mixed up are told by the pool.
        if !settings.ipv4.isEmpty { ipv4 = try PrefixPool(ranges: settings.ipv4, length: settings.ipv4Length) }
        if !settings.ipv6.isEmpty { ipv6 = try PrefixPool(ranges: settings.ipv6, length: settings.ipv6Length) }
    }

    /// The families that nodes get ranges of.
    var families: [IPFamily] { [ipv4 == nil ? nil : .ipv4, ipv6 == nil ? nil : .ipv6].compactMap(\.self) }

    subscript(family: IPFamily) -> PrefixPool? {
        get { family == .ipv4 ? ipv4 : ipv6 }
        set { if family == .ipv4 { ipv4 = newValue } else { ipv6 = newValue } }
    }

    /// A range of a family that there is no pool of can't be checked against those of other nodes.
    mutating func claim(_ prefix: Prefix, for node: String) throws(PrefixPoolError) {
        guard self[IPFamily(prefix)] != nil else { throw .otherFamily(prefix) }
        try self[IPFamily(prefix)]?.claim(prefix, for: node)
    }

    mutating func release(_ prefix: Prefix, of node: String) {
        self[IPFamily(prefix)]?.release(prefix, of: node)
    }

    func isSlot(_ prefix: Prefix) -> Bool { self[IPFamily(prefix)]?.isSlot(prefix) ?? false }

    mutating func resumeAfterClaims() {
        ipv4?.resumeAfterClaims()
        ipv6?.resumeAfterClaims()
    }
}

enum IPFamily: Hashable, Sendable {
    case ipv4
    case ipv6

    init(_ prefix: Prefix) { self = prefix.isIPv4 ? .ipv4 : .ipv6 }

    var name: String { self == .ipv4 ? "IPv4" : "IPv6" }
}

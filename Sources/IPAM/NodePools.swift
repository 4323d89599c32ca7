// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// What one pod has: an address of each family that the node has ranges for.
package struct PodAddresses: Hashable, Sendable {
    package let ipv4: IPAddress?
    package let ipv6: IPAddress?

    package init(ipv4: IPAddress? = nil, ipv6: IPAddress? = nil) {
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }
}

/// The node's pools, one for each family that it has ranges of. Changes take effect in both or in neither.
package struct NodePools: Sendable {
    package struct Snapshot: Hashable, Sendable {
        package let ipv4: AddressPool.Snapshot?
        package let ipv6: AddressPool.Snapshot?

        package init(ipv4: AddressPool.Snapshot?, ipv6: AddressPool.Snapshot?) {
            self.ipv4 = ipv4
            self.ipv6 = ipv6
        }
    }

    package private(set) var ipv4: AddressPool?
    package private(set) var ipv6: AddressPool?

    /// `ranges` as in the settings ("10.1.0.0/24"), both families in any order, used in this order.
    /// With `snapshot`, claim all addresses in use before the first allocation.
    package init(
        ranges: [String], minimumSize: UInt64 = 1, restoring snapshot: Snapshot? = nil
    ) throws(AddressPoolError) {
        var parsed: [AddressRange] = []
        for text in ranges { parsed.append(try AddressRange(text)) }
        guard !parsed.isEmpty else { throw .noRanges }
        ipv4 = try Self.pool(parsed.filter { $0.prefix.isIPv4 }, minimumSize, snapshot?.ipv4)
        ipv6 = try Self.pool(parsed.filter { !$0.prefix.isIPv4 }, minimumSize, snapshot?.ipv6)
    }

    /// The addresses that the owner has, or free ones that are now its own.
    package mutating func allocate(to owner: String) throws(AddressPoolError) -> PodAddresses {
        // Asked before anything is taken: a refused request must not use up an address of the other family.
        try ipv4?.checkAllocation(to: owner)
        try ipv6?.checkAllocation(to: owner)
        return PodAddresses(ipv4: try ipv4?.allocate(to: owner), ipv6: try ipv6?.allocate(to: owner))
    }

    /// Makes given addresses the owner's, as after a restart.
    package mutating func claim(_ addresses: PodAddresses, for owner: String) throws(AddressPoolError) {
        try check(addresses.ipv4, in: ipv4, for: owner)
        try check(addresses.ipv6, in: ipv6, for: owner)
        if let address = addresses.ipv4 { try ipv4?.claim(address, for: owner) }
        if let address = addresses.ipv6 { try ipv6?.claim(address, for: owner) }
    }

    /// What the owner had: nothing, and no effect, if it is unknown.
    @discardableResult
    package mutating func release(owner: String) -> PodAddresses {
        PodAddresses(ipv4: ipv4?.release(owner: owner), ipv6: ipv6?.release(owner: owner))
    }

    package func addresses(of owner: String) -> PodAddresses {
        PodAddresses(ipv4: ipv4?.address(of: owner), ipv6: ipv6?.address(of: owner))
    }

    package func owner(of address: IPAddress) -> String? {
        (address.isIPv4 ? ipv4 : ipv6)?.owner(of: address)
    }

    /// Every owner with at least one address.
    package var owners: Set<String> {
        Set((ipv4?.leases ?? [:]).values).union((ipv6?.leases ?? [:]).values)
    }

    /// IPv4 ranges first.
    package var usage: [RangeUsage] { (ipv4?.usage ?? []) + (ipv6?.usage ?? []) }

    package var snapshot: Snapshot { Snapshot(ipv4: ipv4?.snapshot, ipv6: ipv6?.snapshot) }

    private func check(_ address: IPAddress?, in pool: AddressPool?, for owner: String) throws(AddressPoolError) {
        guard let address else { return }
        guard let pool else { throw .noRangeOfFamily(address) }
        _ = try pool.checkClaim(of: address, for: owner)
    }

    private static func pool(
        _ ranges: [AddressRange], _ minimumSize: UInt64, _ snapshot: AddressPool.Snapshot?
    ) throws(AddressPoolError) -> AddressPool? {
        if ranges.isEmpty { return nil }
        guard let snapshot else { return try AddressPool(ranges: ranges, minimumSize: minimumSize) }
        return try AddressPool(ranges: ranges, minimumSize: minimumSize, restoring: snapshot)
    }
}

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

    private var pool4 = AddressPool()
    private var pool6 = AddressPool()

    /// Without ranges, until some are set.
    package init() {}

    /// `ranges` as in the settings ("10.1.0.0/24"), both families in any order, used in this order.
    /// With `snapshot`, claim all addresses in use before the first allocation.
    package init(
        ranges: [String], minimumSize: UInt64 = 1, restoring snapshot: Snapshot? = nil
    ) throws(AddressPoolError) {
        var parsed: [AddressRange] = []
        for text in ranges { parsed.append(try AddressRange(text)) }
        guard !parsed.isEmpty else { throw .noRanges }
        try set(parsed, minimumSize, restoring: snapshot)
    }

    /// nil while there are no ranges of the family.
    package var ipv4: AddressPool? { pool4.ranges.isEmpty ? nil : pool4 }
    package var ipv6: AddressPool? { pool6.ranges.isEmpty ? nil : pool6 }

    /// New addresses come from these ranges from now on, in this order, and from no others. Whoever has an address keeps
    /// it, wherever it lies.
    ///
    /// - Parameter snapshot: how far an earlier pool was in them.
    /// - Throws: when they are no ranges for pods; then all is as it was.
    package mutating func setRanges(
        _ ranges: [Prefix], restoring snapshot: Snapshot? = nil
    ) throws(AddressPoolError) {
        var parsed: [AddressRange] = []
        for prefix in ranges { parsed.append(try AddressRange(prefix)) }
        try set(parsed, 1, restoring: snapshot)
    }

    private mutating func set(
        _ ranges: [AddressRange], _ minimumSize: UInt64, restoring snapshot: Snapshot?
    ) throws(AddressPoolError) {
        let ranges4 = ranges.filter { $0.prefix.isIPv4 }
        let ranges6 = ranges.filter { !$0.prefix.isIPv4 }
        try AddressPool.check(ranges4, minimumSize)
        try AddressPool.check(ranges6, minimumSize)
        pool4.setRanges(ranges4, restoring: snapshot?.ipv4)
        pool6.setRanges(ranges6, restoring: snapshot?.ipv6)
    }

    package var hasRanges: Bool { !pool4.ranges.isEmpty || !pool6.ranges.isEmpty }

    /// The addresses that the owner has, or free ones that are now its own: one of each family that has ranges.
    package mutating func allocate(to owner: String) throws(AddressPoolError) -> PodAddresses {
        guard hasRanges else { throw .noRanges }
        // Asked before anything is taken: a refused request must not use up an address of the other family.
        if !pool4.ranges.isEmpty { try pool4.checkAllocation(to: owner) }
        if !pool6.ranges.isEmpty { try pool6.checkAllocation(to: owner) }
        return PodAddresses(
            ipv4: pool4.ranges.isEmpty ? nil : try pool4.allocate(to: owner),
            ipv6: pool6.ranges.isEmpty ? nil : try pool6.allocate(to: owner))
    }

    /// Makes the addresses that a pod has its own again, as after a restart, wherever they lie.
    package mutating func claim(_ addresses: PodAddresses, for owner: String) throws(AddressPoolError) {
        if let address = addresses.ipv4 { _ = try pool4.isClaimed(address, by: owner) }
        if let address = addresses.ipv6 { _ = try pool6.isClaimed(address, by: owner) }
        if let address = addresses.ipv4 { try pool4.claim(address, for: owner) }
        if let address = addresses.ipv6 { try pool6.claim(address, for: owner) }
    }

    /// True if all of them may be given to pods.
    package func contains(_ addresses: PodAddresses) -> Bool {
        addresses.ipv4.map(pool4.gives) ?? true && addresses.ipv6.map(pool6.gives) ?? true
    }

    /// What the owner had: nothing, and no effect, if it is unknown.
    @discardableResult
    package mutating func release(owner: String) -> PodAddresses {
        PodAddresses(ipv4: pool4.release(owner: owner), ipv6: pool6.release(owner: owner))
    }

    package func addresses(of owner: String) -> PodAddresses {
        PodAddresses(ipv4: pool4.address(of: owner), ipv6: pool6.address(of: owner))
    }

    package func owner(of address: IPAddress) -> String? {
        (address.isIPv4 ? pool4 : pool6).owner(of: address)
    }

    /// Every owner with at least one address.
    package var owners: Set<String> { Set(pool4.leases.values).union(pool6.leases.values) }

    /// IPv4 ranges first.
    package var usage: [RangeUsage] { pool4.usage + pool6.usage }

    package var snapshot: Snapshot { Snapshot(ipv4: ipv4?.snapshot, ipv6: ipv6?.snapshot) }
}

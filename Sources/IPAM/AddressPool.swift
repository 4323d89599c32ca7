// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Addresses of one family, each with at most one owner, and at most one for each owner.
///
/// An address that was given back is used as late as can be, because others may still send to its last owner:
/// first come the addresses that were never used, in order, then the one released longest ago. Nothing is
/// listed ahead of its use: memory is proportional to the addresses that were used, whatever the ranges' sizes,
/// and allocation takes constant time (amortised: each address that was claimed is stepped over once).
package struct AddressPool: Sendable {
    package let ranges: [AddressRange]
    private var owners: [IPAddress: String] = [:]
    private var addresses: [String: IPAddress] = [:]
    /// Leased addresses of each range.
    private var usedCounts: [UInt64]
    private var sweep: Sweep
    private var released = ReleaseQueue()

    /// `minimumSize`: a range with fewer usable addresses is refused.
    package init(ranges: [AddressRange], minimumSize: UInt64 = 1) throws(AddressPoolError) {
        guard let first = ranges.first else { throw .noRanges }
        for (index, range) in ranges.enumerated() {
            guard range.prefix.isIPv4 == first.prefix.isIPv4 else {
                throw .mixedFamilies(first.prefix, range.prefix)
            }
            guard range.size >= minimumSize else {
                throw .tooSmall(range.prefix, usable: range.size, needed: minimumSize)
            }
            for earlier in ranges[..<index] where earlier.prefix.overlaps(range.prefix) {
                throw .overlap(earlier.prefix, range.prefix)
            }
        }
        self.ranges = ranges
        usedCounts = Array(repeating: 0, count: ranges.count)
        sweep = Sweep(sizes: ranges.map(\.size))
    }

    /// The address of `owner`: the one that it has, or a free one that is now its own.
    package mutating func allocate(to owner: String) throws(AddressPoolError) -> IPAddress {
        if let address = addresses[owner] { return address }
        try checkAllocation(to: owner)
        guard let (address, range) = nextFree() else { throw .exhausted(usage) }
        lease(address, of: range, to: owner)
        return address
    }

    /// Throws what ``allocate(to:)`` would.
    func checkAllocation(to owner: String) throws(AddressPoolError) {
        if isExhausted, addresses[owner] == nil { throw .exhausted(usage) }
    }

    /// Makes a given address `owner`'s, as after a restart. No effect if it is already.
    package mutating func claim(_ address: IPAddress, for owner: String) throws(AddressPoolError) {
        guard let range = try checkClaim(of: address, for: owner) else { return }
        released.remove(address)
        lease(address, of: range, to: owner)
    }

    /// Throws what ``claim(_:for:)`` would. The index of the address's range, nil if it is the owner's already.
    func checkClaim(of address: IPAddress, for owner: String) throws(AddressPoolError) -> Int? {
        guard let range = ranges.firstIndex(where: { $0.prefix.contains(address) }) else {
            throw .outsideRanges(address, ranges: ranges.map(\.prefix))
        }
        guard ranges[range].number(of: address) != nil else {
            throw .notUsable(address, range: ranges[range].prefix)
        }
        if let holder = owners[address] {
            guard holder == owner else { throw .taken(address, owner: holder) }
            return nil
        }
        if let other = addresses[owner] { throw .ownerHasAnother(owner, has: other, wanted: address) }
        return range
    }

    /// The owner that had the address; nil, and no effect, if nobody had.
    @discardableResult
    package mutating func release(_ address: IPAddress) -> String? {
        guard let owner = owners.removeValue(forKey: address) else { return nil }
        addresses[owner] = nil
        if let range = ranges.firstIndex(where: { $0.prefix.contains(address) }) { usedCounts[range] -= 1 }
        released.append(address)
        return owner
    }

    /// The address that the owner had; nil, and no effect, if it had none.
    @discardableResult
    package mutating func release(owner: String) -> IPAddress? {
        guard let address = addresses[owner] else { return nil }
        release(address)
        return address
    }

    package func owner(of address: IPAddress) -> String? { owners[address] }

    package func address(of owner: String) -> IPAddress? { addresses[owner] }

    package var leases: [IPAddress: String] { owners }

    /// For each range, in the order in which they were given.
    package var usage: [RangeUsage] {
        zip(ranges, usedCounts).map { RangeUsage(range: $0.prefix, size: $0.size, used: $1) }
    }

    /// Usable addresses of all ranges; `UInt64.max` stands for that or more.
    package var size: UInt64 {
        ranges.reduce(0) { sum, range in
            let (total, overflow) = sum.addingReportingOverflow(range.size)
            return overflow ? .max : total
        }
    }

    package var used: UInt64 { UInt64(owners.count) }

    package var free: UInt64 { size - used }

    package var isExhausted: Bool { used >= size }

    private mutating func lease(_ address: IPAddress, of range: Int, to owner: String) {
        owners[address] = owner
        addresses[owner] = address
        usedCounts[range] += 1
    }

    private mutating func nextFree() -> (IPAddress, range: Int)? {
        while let step = sweep.next() {
            let address = ranges[step.range].address(at: step.number)
            if owners[address] == nil, !released.contains(address) { return (address, step.range) }
        }
        guard let address = released.popFirst(),
            let range = ranges.firstIndex(where: { $0.prefix.contains(address) })
        else { return nil }
        return (address, range)
    }
}

extension AddressPool {
    /// How far the pool is, without its leases: what a restart needs to go on reusing addresses last.
    package struct Snapshot: Hashable, Sendable {
        package struct Position: Hashable, Sendable {
            package let range: Prefix
            /// The first address that was never used; nil if there is none left.
            package let next: IPAddress?

            package init(range: Prefix, next: IPAddress?) {
                self.range = range
                self.next = next
            }
        }

        package let positions: [Position]
        /// The one released longest ago first.
        package let released: [IPAddress]

        package init(positions: [Position], released: [IPAddress]) {
            self.positions = positions
            self.released = released
        }
    }

    package var snapshot: Snapshot {
        Snapshot(
            positions: ranges.indices.map { index in
                let next = sweep.firstUnused(of: index)
                let range = ranges[index]
                return .init(range: range.prefix, next: next < range.size ? range.address(at: next) : nil)
            },
            released: released.inOrder)
    }

    /// A pool that goes on where `snapshot` was. Claim all addresses in use before the first allocation.
    ///
    /// The snapshot may be older than the last change, or of other ranges: positions of ranges that are no longer
    /// given and addresses outside the ranges are ignored. Addresses that were used, but are neither claimed nor
    /// known as released, count as released before all others, so none is ever lost.
    package init(
        ranges: [AddressRange], minimumSize: UInt64 = 1, restoring snapshot: Snapshot
    ) throws(AddressPoolError) {
        try self.init(ranges: ranges, minimumSize: minimumSize)
        var firstUnused = ranges.map { _ in UInt64(0) }
        for position in snapshot.positions {
            guard let index = ranges.firstIndex(where: { $0.prefix == position.range }) else { continue }
            firstUnused[index] = position.next.map { ranges[index].number(of: $0) ?? 0 } ?? ranges[index].size
        }
        sweep = Sweep(sizes: ranges.map(\.size), firstUnused: firstUnused)
        for address in snapshot.released where ranges.contains(where: { $0.number(of: address) != nil }) {
            released.append(address)
        }
    }
}

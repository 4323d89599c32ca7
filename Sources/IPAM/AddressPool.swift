// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Addresses of one family, each with at most one owner, and at most one for each owner.
///
/// An address that was given back is used as late as can be, because others may still send to its last owner:
/// first come the addresses that were never used, in order, then the one released longest ago. Nothing is
/// listed ahead of its use: memory is proportional to the addresses that were used, whatever the ranges' sizes,
/// and allocation takes constant time (amortised: each address that was claimed is stepped over once).
///
/// The ranges may change while addresses are in use: whoever has one of a range that is taken away keeps it.
package struct AddressPool: Sendable {
    package private(set) var ranges: [AddressRange]
    private var owners: [IPAddress: String] = [:]
    private var addresses: [String: IPAddress] = [:]
    /// Leased addresses of each range.
    private var usedCounts: [UInt64]
    private var sweep: Sweep
    private var released = ReleaseQueue()

    /// `minimumSize`: a range with fewer usable addresses is refused.
    package init(ranges: [AddressRange], minimumSize: UInt64 = 1) throws(AddressPoolError) {
        guard !ranges.isEmpty else { throw .noRanges }
        try Self.check(ranges, minimumSize)
        self.init(checked: ranges)
    }

    /// Without ranges, until some are set.
    init() {
        self.init(checked: [])
    }

    private init(checked ranges: [AddressRange]) {
        self.ranges = ranges
        usedCounts = Array(repeating: 0, count: ranges.count)
        sweep = Sweep(sizes: ranges.map(\.size))
    }

    static func check(_ ranges: [AddressRange], _ minimumSize: UInt64) throws(AddressPoolError) {
        guard let first = ranges.first else { return }
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
        guard addresses[owner] == nil else { return }
        if ranges.isEmpty { throw .noRanges }
        if isExhausted { throw .exhausted(usage) }
    }

    /// Makes an address that a pod has its own again, as after a restart, whether it lies in the ranges or not. No effect
    /// if it is already.
    package mutating func claim(_ address: IPAddress, for owner: String) throws(AddressPoolError) {
        guard try !isClaimed(address, by: owner) else { return }
        released.remove(address)
        lease(address, of: index(of: address), to: owner)
    }

    /// Throws what ``claim(_:for:)`` would.
    func isClaimed(_ address: IPAddress, by owner: String) throws(AddressPoolError) -> Bool {
        if let holder = owners[address], holder != owner { throw .taken(address, owner: holder) }
        guard let other = addresses[owner] else { return false }
        guard other == address else { throw .ownerHasAnother(owner, has: other, wanted: address) }
        return true
    }

    /// Whether a pod may be given the address.
    func gives(_ address: IPAddress) -> Bool { index(of: address) != nil }

    /// The owner that had the address; nil, and no effect, if nobody had.
    @discardableResult
    package mutating func release(_ address: IPAddress) -> String? {
        guard let owner = owners.removeValue(forKey: address) else { return nil }
        addresses[owner] = nil
        // One that pods can't be given any more is forgotten.
        if let range = index(of: address) {
            usedCounts[range] -= 1
            released.append(address)
        }
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

    /// Of these, those that somebody has.
    package var used: UInt64 { usedCounts.reduce(0, +) }

    package var free: UInt64 { size - used }

    package var isExhausted: Bool { used >= size }

    private mutating func lease(_ address: IPAddress, of range: Int?, to owner: String) {
        owners[address] = owner
        addresses[owner] = address
        if let range { usedCounts[range] += 1 }
    }

    /// Of the range that gives the address; nil for one that no pod would be given.
    private func index(of address: IPAddress) -> Int? {
        ranges.firstIndex { $0.number(of: address) != nil }
    }

    private mutating func nextFree() -> (IPAddress, range: Int)? {
        while let step = sweep.next() {
            let address = ranges[step.range].address(at: step.number)
            if owners[address] == nil, !released.contains(address) { return (address, step.range) }
        }
        guard let address = released.popFirst(), let range = index(of: address) else { return nil }
        return (address, range)
    }
}

// What changes while addresses are in use.
extension AddressPool {
    /// Takes new addresses from these ranges, which have been checked, and no others. Leases stay, also those that lie in
    /// none of them; such an address is free for nobody when it is released.
    ///
    /// - Parameter snapshot: where the pool was before it had ranges, for those that it has now.
    mutating func setRanges(_ new: [AddressRange], restoring snapshot: Snapshot? = nil) {
        var firstUnused = Self.positions(of: new, in: self.snapshot)
        if let snapshot {
            firstUnused = zip(firstUnused, Self.positions(of: new, in: snapshot)).map { max($0, $1) }
            // They were released before all that this pool has seen.
            let later = released.inOrder
            for address in snapshot.released + later { released.append(address) }
        }
        ranges = new
        sweep = Sweep(sizes: new.map(\.size), firstUnused: firstUnused)
        for address in released.inOrder where index(of: address) == nil || owners[address] != nil {
            released.remove(address)
        }
        usedCounts = Array(repeating: 0, count: new.count)
        for address in owners.keys {
            if let range = index(of: address) { usedCounts[range] += 1 }
        }
    }

    /// For each range, the number of the first address that was never used.
    private static func positions(of ranges: [AddressRange], in snapshot: Snapshot) -> [UInt64] {
        ranges.map { range in
            guard let position = snapshot.positions.first(where: { $0.range == range.prefix }) else { return 0 }
            return position.next.map { range.number(of: $0) ?? 0 } ?? range.size
        }
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
        setRanges(ranges, restoring: snapshot)
    }
}

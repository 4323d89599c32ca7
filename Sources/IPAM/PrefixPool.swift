// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Ranges of one family, cut into equal slots; an owner has any number of them, and no address has two owners.
///
/// Owners may also claim prefixes that are no slots, or lie outside of the ranges: such a prefix is theirs, and the slots
/// that it touches are nobody else's. A slot that was given back is used as late as can be, because others may still
/// send to its last owner's addresses: first come those that were never used, then the one given back longest ago.
/// An owner of the same name gets back what it had before, if it is still free.
///
/// Memory is proportional to the prefixes that were used, whatever the ranges' sizes. Allocation takes constant time
/// (amortised) plus that of finding a place among the claims in order.
package struct PrefixPool: Sendable {
    package let ranges: [Prefix]
    /// Of the slots.
    package let length: Int
    private var claims = ClaimTable()
    private var former = FormerOwners()
    private var released = ReleaseQueue()
    /// Where the search for slots that were never used goes on.
    private var position = (range: 0, slot: UInt64(0))
    /// The search began somewhere else than at the first slot, so there may be free ones before it.
    private var hasSkipped = false
    /// Nothing was free when it was last looked, and nothing has been given back since.
    private var isExhausted = false

    package init(ranges: [Prefix], length: Int) throws(PrefixPoolError) {
        guard let first = ranges.first else { throw .noRanges }
        for (index, range) in ranges.enumerated() {
            guard range.isIPv4 == first.isIPv4 else { throw .mixedFamilies(first, range) }
            do throws(AddressPoolError) { _ = try AddressRange(range) } catch { throw .unusable(error) }
            // A node with fewer than two addresses has no pods to speak of.
            let longest = range.isIPv4 ? 30 : 126
            guard (range.length...longest).contains(length) else { throw .length(length, range, longest: longest) }
            for earlier in ranges[..<index] where earlier.overlaps(range) { throw .overlap(earlier, range) }
        }
        self.ranges = ranges
        self.length = length
    }

    package var isIPv4: Bool { ranges.first?.isIPv4 ?? true }

    /// Prefixes that have an owner.
    package var count: Int { claims.count }

    /// A prefix as ``allocate(to:)`` gives them.
    package func isSlot(_ prefix: Prefix) -> Bool {
        prefix.length == length && ranges.contains { $0.contains(prefix) }
    }

    /// A slot that nobody has, which is now the owner's, in addition to those that it has; nil if there is none.
    package mutating func allocate(to owner: String) -> Prefix? {
        guard !isExhausted else { return nil }
        guard let slot = formerSlot(of: owner) ?? freeSlot() else {
            isExhausted = true
            return nil
        }
        former.forget(slot.address)
        claims.insert(slot, owner)
        return slot
    }

    /// Makes a given prefix the owner's, as after a restart. No effect if it is already. The error names who has it, or
    /// a part of it.
    package mutating func claim(_ prefix: Prefix, for owner: String) throws(PrefixPoolError) {
        guard prefix.isIPv4 == isIPv4 else { throw .otherFamily(prefix) }
        do throws(AddressPoolError) { _ = try AddressRange(prefix) } catch { throw .unusable(error) }
        if let other = claims.first(overlapping: prefix) {
            guard other.prefix == prefix, other.owner == owner else {
                throw .taken(prefix, by: other.owner, as: other.prefix)
            }
            return
        }
        released.remove(prefix.address)
        former.forget(prefix.address)
        claims.insert(prefix, owner)
    }

    /// False, and no effect, if this prefix is not the owner's.
    @discardableResult
    package mutating func release(_ prefix: Prefix, of owner: String) -> Bool {
        guard claims.remove(prefix, owner) else { return false }
        isExhausted = false
        if isSlot(prefix) {
            released.append(prefix.address)
            former.note(owner, had: prefix.address)
        } else {
            // The slots under it were passed by.
            hasSkipped = true
        }
        return true
    }

    /// Who has the prefix, or a part of it.
    package func owner(of prefix: Prefix) -> String? { claims.first(overlapping: prefix)?.owner }

    /// Goes on after the last slot in use, as after a restart: what lies before may have been in use a moment ago, and
    /// comes last.
    package mutating func resumeAfterClaims() {
        for claim in claims.all {
            guard let range = ranges.firstIndex(where: { $0.contains(claim.prefix) }) else { continue }
            let next = (range: range, slot: slotNumber(of: claim.prefix.lastAddress, in: ranges[range]) + 1)
            if next > position { (position, hasSkipped) = (next, true) }
        }
    }

    // MARK: Search

    private mutating func formerSlot(of owner: String) -> Prefix? {
        while let address = former.last(of: owner) {
            former.forget(address)
            guard released.contains(address), let slot = Prefix(address, length: length),
                claims.first(overlapping: slot) == nil
            else { continue }
            released.remove(address)
            return slot
        }
        return nil
    }

    private mutating func freeSlot() -> Prefix? {
        if let slot = nextUnused() { return slot }
        if hasSkipped {
            (position, hasSkipped) = ((0, 0), false)
            if let slot = nextUnused() { return slot }
        }
        while let address = released.popFirst() {
            // A wider claim may lie over it by now; when that goes, the slot is found again.
            if let slot = Prefix(address, length: length), claims.first(overlapping: slot) == nil { return slot }
        }
        return nil
    }

    private mutating func nextUnused() -> Prefix? {
        while position.range < ranges.count {
            let range = ranges[position.range]
            guard position.slot < slotCount(of: range) else {
                position = (position.range + 1, 0)
                continue
            }
            let slot = self.slot(position.slot, of: range)
            if let claim = claims.first(overlapping: slot) {
                // Past all of it at once.
                let last = min(claim.prefix.lastAddress, range.lastAddress)
                position.slot = slotNumber(of: max(last, slot.address), in: range) + 1
                continue
            }
            position.slot += 1
            if !released.contains(slot.address) { return slot }
        }
        return nil
    }

    // MARK: Slots

    private var hostBits: Int { (isIPv4 ? 32 : 128) - length }

    /// At most 2^62: more are never used up.
    private func slotCount(of range: Prefix) -> UInt64 { 1 << UInt64(min(length - range.length, 62)) }

    private func slot(_ number: UInt64, of range: Prefix) -> Prefix {
        let address = IPAddress(range.address.wide + UInt128(number) << UInt128(hostBits))
        guard let slot = Prefix(address, length: length) else {
            preconditionFailure("slots of \(range) have no length of \(length)")
        }
        return slot
    }

    /// The address lies in the range.
    private func slotNumber(of address: IPAddress, in range: Prefix) -> UInt64 {
        UInt64(clamping: (address.wide - range.address.wide) >> UInt128(hostBits))
    }
}

extension IPAddress {
    fileprivate var wide: UInt128 { UInt128(high) << 64 | UInt128(low) }

    fileprivate init(_ wide: UInt128) {
        self.init(high: UInt64(truncatingIfNeeded: wide >> 64), low: UInt64(truncatingIfNeeded: wide))
    }
}

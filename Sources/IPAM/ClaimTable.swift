// SPDX-License-Identifier: Apache-2.0
import NetTypes

/// Prefixes that do not overlap, each with its owner, in order.
///
/// Found in logarithmic time. Insertion moves what follows, which for ten thousand of them takes some microseconds.
struct ClaimTable: Sendable {
    struct Claim: Hashable, Sendable {
        let prefix: Prefix
        let owner: String
    }

    private(set) var all: [Claim] = []

    var count: Int { all.count }

    /// The lowest claim that shares an address with `prefix`.
    func first(overlapping prefix: Prefix) -> Claim? {
        let index = firstIndex(endingFrom: prefix.address)
        guard index < all.count, all[index].prefix.overlaps(prefix) else { return nil }
        return all[index]
    }

    /// The prefix overlaps no claim.
    mutating func insert(_ prefix: Prefix, _ owner: String) {
        all.insert(Claim(prefix: prefix, owner: owner), at: firstIndex(endingFrom: prefix.address))
    }

    /// False if there is no such claim.
    mutating func remove(_ prefix: Prefix, _ owner: String) -> Bool {
        let index = firstIndex(endingFrom: prefix.address)
        guard index < all.count, all[index] == Claim(prefix: prefix, owner: owner) else { return false }
        all.remove(at: index)
        return true
    }

    /// The first claim that does not end before `address`.
    private func firstIndex(endingFrom address: IPAddress) -> Int {
        var low = 0
        var high = all.count
        while low < high {
            let middle = low + (high - low) / 2
            if all[middle].prefix.lastAddress < address { low = middle + 1 } else { high = middle }
        }
        return low
    }
}

/// Who had a slot that is free now, by the slot's first address. As many entries as there are such slots.
struct FormerOwners: Sendable {
    private var owners: [IPAddress: String] = [:]
    private var slots: [String: [IPAddress]] = [:]

    mutating func note(_ owner: String, had slot: IPAddress) {
        forget(slot)
        owners[slot] = owner
        slots[owner, default: []].append(slot)
    }

    mutating func forget(_ slot: IPAddress) {
        guard let owner = owners.removeValue(forKey: slot) else { return }
        slots[owner]?.removeAll { $0 == slot }
        if slots[owner]?.isEmpty ?? false { slots[owner] = nil }
    }

    /// The one given back last.
    func last(of owner: String) -> IPAddress? { slots[owner]?.last }
}

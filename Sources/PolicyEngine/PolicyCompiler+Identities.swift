// SPDX-License-Identifier: Apache-2.0

import Model

// Slots by number: for pods of other nodes whose packets come before anybody has told their addresses.
extension PolicyCompiler {
    /// Holds a place for every decided number that was staged, and lets go of those that were withdrawn.
    ///
    /// - Parameter stale: places that must be left for others.
    mutating func hold(_ staged: [IdentityNumber: SecurityLabels?], moving stale: Set<UInt32>) {
        var touched = Set(staged.keys)
        if !stale.isEmpty {
            for (number, held) in numbered where stale.contains(held.identity) { touched.insert(number) }
        }
        for number in touched.sorted() where IdentityAllocator.range.contains(number) {
            let old = numbered[number]
            let isWithdrawn = staged[number].map { $0 == nil } ?? false
            if isWithdrawn {
                numbered[number] = nil
                if let old, old.slot != .max {
                    partition.leave(old.slot)
                    changes.removedIdentities.append(number)
                }
            } else {
                numbered[number] = Numbered(identity: identities.retain(number: number), slot: old?.slot ?? .max)
                touchedNumbers.insert(number)
            }
            if let old { identities.release(old.identity) }
        }
    }

    /// Gives every number that was touched the slot of its identity, as an address without named ports has it that lies
    /// in no rule's prefix.
    mutating func settleIdentities() {
        for number in touchedNumbers.sorted() {
            guard let held = numbered[number] else { continue }
            let slot = enterSlot(Partition.Kind(identity: held.identity, ports: 0, blocks: []))
            if held.slot != .max { partition.leave(held.slot) }
            guard slot != held.slot else { continue }
            numbered[number]?.slot = slot
            changes.identities.append((number, slot))
        }
    }
}

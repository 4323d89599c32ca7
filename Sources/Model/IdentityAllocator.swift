// SPDX-License-Identifier: Apache-2.0

/// Gives equal security labels one number, and different ones different numbers.
///
/// A number comes from a hash of the labels, so that it is the same after a restart and, but for collisions
/// (which depend on who came first), on every node, without anything being stored or agreed upon.
package struct IdentityAllocator: Sendable {
    /// The 24 bits that a VNI can carry.
    package static let range: ClosedRange<IdentityNumber> = 256...0xff_ffff

    private struct Entry {
        let number: IdentityNumber
        var references: Int
    }

    private var entries: [SecurityLabels: Entry] = [:]
    private var labelsByNumber: [IdentityNumber: SecurityLabels] = [:]

    package init() {}

    package var count: Int { entries.count }

    /// The number of these labels, which the caller holds until it calls `release` once for each call of this.
    /// nil if all sixteen million are taken.
    ///
    /// - Parameter isTaken: true for numbers that somebody else has given to other labels.
    package mutating func retain(
        _ labels: SecurityLabels, avoiding isTaken: (IdentityNumber) -> Bool = { _ in false }
    ) -> IdentityNumber? {
        if let entry = entries[labels] {
            entries[labels]?.references += 1
            return entry.number
        }
        guard labelsByNumber.count < Self.range.count else { return nil }
        let preferred = Self.preferredNumber(of: labels)
        var number = preferred
        while labelsByNumber[number] != nil || isTaken(number) {
            number = number == Self.range.upperBound ? Self.range.lowerBound : number + 1
            if number == preferred { return nil }
        }
        entries[labels] = Entry(number: number, references: 1)
        labelsByNumber[number] = labels
        return number
    }

    /// Gives one `retain` back; the number is free for others after the last. Labels that nobody holds are ignored.
    package mutating func release(_ labels: SecurityLabels) {
        guard let entry = entries[labels] else { return }
        if entry.references > 1 {
            entries[labels]?.references -= 1
        } else {
            entries[labels] = nil
            labelsByNumber[entry.number] = nil
        }
    }

    package func number(of labels: SecurityLabels) -> IdentityNumber? { entries[labels]?.number }

    package func labels(of number: IdentityNumber) -> SecurityLabels? { labelsByNumber[number] }

    /// What the labels get when no other labels hold it.
    package static func preferredNumber(of labels: SecurityLabels) -> IdentityNumber {
        let hash = canonicalHash(of: labels)
        let folded = IdentityNumber(truncatingIfNeeded: (hash >> 48) ^ (hash >> 24) ^ hash) & range.upperBound
        return folded < range.lowerBound ? folded + range.lowerBound : folded
    }

    /// 64-bit FNV-1a over namespace, namespace labels and pod labels, every text ended by a zero byte (which none
    /// can contain) and every list by another.
    private static func canonicalHash(of labels: SecurityLabels) -> UInt64 {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325
        func mix(_ byte: UInt8) { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
        func mix(_ text: String) {
            for byte in text.utf8 { mix(byte) }
            mix(0)
        }
        mix(labels.namespace)
        for list in [labels.namespaceLabels, labels.podLabels] {
            for label in list {
                mix(label.key)
                mix(label.value)
            }
            mix(0)
        }
        return hash
    }
}

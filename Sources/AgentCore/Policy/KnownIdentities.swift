// SPDX-License-Identifier: Apache-2.0
package import Model

/// The numbers that the cluster has given to labels.
package struct KnownIdentities: Sendable {
    private var labels: [IdentityNumber: SecurityLabels] = [:]
    /// Sorted: of several numbers for the same labels the lowest is taken.
    private var numbers: [SecurityLabels: [IdentityNumber]] = [:]
    /// Answers that were not seen as objects yet.
    private var unconfirmed: Set<IdentityNumber> = []

    package init() {}

    package var count: Int { labels.count }

    package func number(of labels: SecurityLabels) -> IdentityNumber? { numbers[labels]?.first }

    package func labels(of number: IdentityNumber) -> SecurityLabels? { labels[number] }

    /// All of them.
    package var all: [IdentityNumber: SecurityLabels] { labels }

    /// False also for numbers that aren't known.
    package func isConfirmed(_ number: IdentityNumber) -> Bool {
        labels[number] != nil && !unconfirmed.contains(number)
    }

    /// - Parameter confirmed: there is an object that says so.
    /// - Returns: what the number stood for, if that was something else.
    package mutating func set(_ number: IdentityNumber, _ new: SecurityLabels?, confirmed: Bool) -> SecurityLabels? {
        let old = labels[number]
        if confirmed || new == nil { unconfirmed.remove(number) } else if old != new { unconfirmed.insert(number) }
        guard old != new else { return nil }
        if let old {
            let left = (numbers[old] ?? []).filter { $0 != number }
            numbers[old] = left.isEmpty ? nil : left
        }
        labels[number] = new
        if let new { numbers[new] = ((numbers[new] ?? []) + [number]).sorted() }
        return old
    }
}

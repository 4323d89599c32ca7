// SPDX-License-Identifier: Apache-2.0
import Model

/// The identities of the cluster, by number and by labels.
struct IdentityTable: Sendable {
    private(set) var labels = KindTable<IdentityNumber, SecurityLabels>()
    private var uids: [IdentityNumber: String] = [:]
    /// The lowest number of each.
    private var numbers: [SecurityLabels: IdentityNumber] = [:]
    /// The others, where labels have several numbers.
    private var spares: [SecurityLabels: Set<IdentityNumber>] = [:]

    /// The number of these labels, the lowest if there are several.
    func number(of labels: SecurityLabels) -> IdentityNumber? { numbers[labels] }

    func uid(of number: IdentityNumber) -> String? { uids[number] }

    mutating func seed(_ cached: [(number: IdentityNumber, labels: SecurityLabels, uid: String)]) {
        guard !labels.isLive else { return }
        for (number, value, uid) in cached where labels.values[number] == nil {
            labels.seed([(number, value)])
            uids[number] = uid
            index(number, value)
        }
    }

    /// False: it is the same object with other labels, which can't be; what was known stays.
    mutating func set(_ number: IdentityNumber, _ value: SecurityLabels, uid: String) -> Bool {
        if let old = labels.values[number], old != value {
            if let known = uids[number], known == uid {
                labels.confirm(number)
                return false
            }
            unindex(number, old)
        }
        labels.set(number, value)
        uids[number] = uid
        index(number, value)
        return true
    }

    mutating func confirm(_ number: IdentityNumber) {
        labels.confirm(number)
    }

    mutating func remove(_ number: IdentityNumber) {
        guard let old = labels.values[number] else { return }
        labels.set(number, nil)
        forget(number, old)
    }

    mutating func becomeLive() {
        let known = labels.values
        for number in labels.becomeLive() {
            if let old = known[number] { forget(number, old) }
        }
    }

    mutating func takePending() -> [(key: IdentityNumber, value: SecurityLabels?)] { labels.takePending() }

    private mutating func forget(_ number: IdentityNumber, _ old: SecurityLabels) {
        uids[number] = nil
        unindex(number, old)
    }

    private mutating func index(_ number: IdentityNumber, _ value: SecurityLabels) {
        guard let other = numbers[value], other != number else {
            numbers[value] = number
            return
        }
        numbers[value] = min(number, other)
        spares[value, default: []].insert(max(number, other))
    }

    private mutating func unindex(_ number: IdentityNumber, _ value: SecurityLabels) {
        if numbers[value] == number {
            numbers[value] = spares[value]?.min()
            if let next = numbers[value] { spares[value]?.remove(next) }
        } else {
            spares[value]?.remove(number)
        }
        if spares[value]?.isEmpty ?? false { spares[value] = nil }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model

/// The policies that endpoints have: one for each set of objects (and of numbers for the port names in them) that
/// selects at least one endpoint.
struct PolicyTable: Sendable {
    struct ResolvedPort: Hashable, Comparable, Sendable {
        let port: PortName
        let number: UInt16

        static func < (a: ResolvedPort, b: ResolvedPort) -> Bool { (a.port, a.number) < (b.port, b.number) }
    }

    struct Key: Hashable, Sendable {
        /// Revisions, sorted.
        let objects: [Int]
        /// What the endpoint's own ports make of names in ingress rules, sorted.
        let ports: [ResolvedPort]
    }

    struct Record: Sendable {
        let key: Key
        let number: UInt32
        var ingress: PolicyPlan
        var egress: PolicyPlan
        /// What it holds in the other tables, each once.
        let selectors: [UInt32]
        let named: [UInt32]
        let cookies: [UInt32]
        /// Endpoints.
        var references = 0
        /// Since the last commit: no row of it is in the kernel.
        var isNew = true

        /// The row of a class, nil if it is that of class 0.
        mutating func row(_ direction: Direction, _ signature: [UInt32], _ variants: [SelectorTable.Variant])
            -> PolicyRow?
        {
            switch direction {
            case .ingress:
                let index = ingress.row(of: signature, variants)
                return index == 0 ? nil : ingress.rows[index]
            case .egress:
                let index = egress.row(of: signature, variants)
                return index == 0 ? nil : egress.rows[index]
            }
        }

        /// The row of class 0, nil if it needs none.
        func generalRow(_ direction: Direction) -> PolicyRow? {
            let plan = direction == .ingress ? ingress : egress
            return plan.isEnforced && plan.rows[0] != .defaultDeny ? plan.rows[0] : nil
        }
    }

    /// By place; free places are nil.
    private(set) var records: [Record?] = []
    private var places: [Key: UInt32] = [:]
    private var numbers: Set<UInt32> = []
    private var lastNumber: UInt32 = 0
    private var free: [UInt32] = []
    private var unused: [UInt32] = []
    private var added: [UInt32] = []

    /// The bits of a view's policy word below the flags.
    static let numberLimit: UInt32 = 1 << 28

    var count: Int { places.count }

    subscript(place: UInt32) -> Record? {
        _read { yield records[Int(place)] }
        _modify { yield &records[Int(place)] }
    }

    func place(of key: Key) -> UInt32? { places[key] }

    /// The next number; numbers are used again only after all others.
    mutating func takeNumber() -> UInt32 {
        repeat {
            lastNumber = lastNumber + 1 < Self.numberLimit ? lastNumber + 1 : 1
        } while numbers.contains(lastNumber)
        numbers.insert(lastNumber)
        return lastNumber
    }

    mutating func insert(_ record: Record) -> UInt32 {
        let place = free.popLast() ?? UInt32(records.count)
        if Int(place) == records.count { records.append(record) } else { records[Int(place)] = record }
        places[record.key] = place
        added.append(place)
        return place
    }

    mutating func retain(_ place: UInt32) {
        records[Int(place)]?.references += 1
    }

    mutating func release(_ place: UInt32) {
        records[Int(place)]?.references -= 1
        if records[Int(place)]?.references == 0 { unused.append(place) }
    }

    /// Places of policies made since the last commit that are in use, sorted.
    func newPlaces() -> [UInt32] {
        var list = added.filter { records[Int($0)].map { $0.isNew && $0.references > 0 } ?? false }
        list.sortUnique()
        return list
    }

    /// Places of policies that no endpoint has any more, each once.
    func unusedPlaces() -> [UInt32] {
        var list = unused.filter { records[Int($0)]?.references == 0 }
        list.sortUnique()
        return list
    }

    mutating func remove(_ place: UInt32) {
        guard let record = records[Int(place)] else { return }
        records[Int(place)] = nil
        places[record.key] = nil
        numbers.remove(record.number)
        free.append(place)
    }

    mutating func endCommit() {
        for place in added { records[Int(place)]?.isNew = false }
        added.removeAll(keepingCapacity: true)
        unused.removeAll(keepingCapacity: true)
    }
}

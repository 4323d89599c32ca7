// SPDX-License-Identifier: Apache-2.0

import Model

/// The identities that known addresses have, indexed by their labels.
///
/// A place stands for one number and the labels that go with it, and never changes; when labels get another number, or
/// a number gets labels, their holders move to another place.
struct IdentityTable: Sendable {
    struct Record: Sendable {
        let number: IdentityNumber
        /// nil: a reserved one, or a number whose labels aren't known; no label selector matches it.
        let labels: SecurityLabels?
        let entities: EntitySet
        let group: UInt32
        /// The number follows from the labels; nobody has decided on it.
        var isDerived = false
        /// Addresses and endpoints that have it.
        var references = 0
    }

    /// Identities whose namespace is the same in name and labels.
    private struct NamespaceGroup: Hashable, Sendable {
        let name: String
        let labels: Labels
    }

    /// Beside the reserved identities, which lie at the place of their number, for what is two things at once.
    static let apiServerOnHost: UInt32 = 11
    static let apiServerOutside: UInt32 = 12
    private static let firstFree = 13

    /// Free places stay in the array; their labels are nil and no index leads to them.
    private(set) var records: [Record] = []
    private var allocator = IdentityAllocator()
    private var free: [UInt32] = []
    private var unused: [UInt32] = []
    /// Reserved ones and those with labels.
    private var byNumber: [IdentityNumber: UInt32] = [:]
    /// Numbers that somebody has and that have no labels.
    private var unlabelled: [IdentityNumber: UInt32] = [:]

    /// What was decided, also what was withdrawn as long as somebody has it.
    private var decided: [IdentityNumber: SecurityLabels] = [:]
    private var decidedNumbers: [SecurityLabels: NumberList] = [:]
    private var withdrawn: Set<IdentityNumber> = []

    private var groups: [NamespaceGroup] = []
    private var groupMembers: [NumberList] = []
    private var freeGroups: [UInt32] = []
    private var groupIDs: [NamespaceGroup: UInt32] = [:]
    private var groupsByName: [String: NumberList] = [:]
    private var groupsByLabel = LabelIndex()
    private var byLabel = LabelIndex()

    init() {
        for number in 0..<IdentityNumber(Self.firstFree) {
            let reserved = ReservedIdentity(rawValue: number)
            let (name, entities): (IdentityNumber, EntitySet) =
                switch number {
                case Self.apiServerOnHost: (ReservedIdentity.host.rawValue, [.host, .kubeAPIServer])
                case Self.apiServerOutside: (ReservedIdentity.kubeAPIServer.rawValue, [.world, .kubeAPIServer])
                default: (number, reserved.map { EntitySet($0) } ?? [])
                }
            records.append(Record(number: name, labels: nil, entities: entities, group: .max, references: 1))
            if reserved != nil { byNumber[number] = number }
        }
    }

    /// Those with labels.
    private(set) var count = 0

    subscript(id: UInt32) -> Record { records[Int(id)] }

    /// nil if the number is nobody's.
    func id(of number: IdentityNumber) -> UInt32? { byNumber[number] ?? unlabelled[number] }

    func isOutside(_ id: UInt32) -> Bool { records[Int(id)].entities.contains(.world) }

    /// Its place. With every number in use that of `unmanaged`, which no labels match.
    mutating func retain(_ labels: SecurityLabels) -> UInt32 {
        if let number = decidedNumbers[labels]?.first { return retain(number, labels, isDerived: false) }
        let number =
            allocator.number(of: labels)
            ?? allocator.retain(labels, avoiding: { decided[$0] != nil || unlabelled[$0] != nil })
        guard let number else { return ReservedIdentity.unmanaged.rawValue }
        return retain(number, labels, isDerived: true)
    }

    /// Its place, with labels if there are any for the number.
    mutating func retain(number: IdentityNumber) -> UInt32 {
        guard IdentityAllocator.range.contains(number) else {
            switch ReservedIdentity(rawValue: number) {
            case .health, .`init`, .ingress: return number
            default: return ReservedIdentity.unmanaged.rawValue
            }
        }
        if let labels = decided[number] { return retain(number, labels, isDerived: false) }
        if let id = unlabelled[number] {
            records[Int(id)].references += 1
            return id
        }
        let id = place(Record(number: number, labels: nil, entities: .pods, group: .max, references: 1))
        unlabelled[number] = id
        return id
    }

    private mutating func retain(_ number: IdentityNumber, _ labels: SecurityLabels, isDerived: Bool) -> UInt32 {
        if let id = byNumber[number] {
            records[Int(id)].references += 1
            return id
        }
        let group = enterGroup(labels)
        let id = place(
            Record(
                number: number, labels: labels, entities: .pods, group: group, isDerived: isDerived, references: 1))
        count += 1
        byNumber[number] = id
        groupMembers[Int(group)].insert(id)
        byLabel.insert(id, labels.podLabels)
        return id
    }

    private mutating func place(_ record: Record) -> UInt32 {
        let id = free.popLast() ?? UInt32(records.count)
        if Int(id) == records.count { records.append(record) } else { records[Int(id)] = record }
        return id
    }

    mutating func release(_ id: UInt32) {
        guard id >= Self.firstFree else { return }
        records[Int(id)].references -= 1
        if records[Int(id)].references == 0 { unused.append(id) }
    }

    /// Forgets those that nobody has any more. Their slots must be gone.
    mutating func removeUnused() {
        for id in unused where records[Int(id)].references == 0 {
            let record = records[Int(id)]
            // Named twice in the list, it is gone by now.
            guard !record.entities.isEmpty else { continue }
            if let labels = record.labels {
                byLabel.remove(id, labels.podLabels)
                leaveGroup(record.group, id)
                count -= 1
                if record.isDerived { allocator.release(labels) }
            }
            if byNumber[record.number] == id { byNumber[record.number] = nil }
            if unlabelled[record.number] == id { unlabelled[record.number] = nil }
            if withdrawn.contains(record.number), byNumber[record.number] == nil { forget(record.number) }
            records[Int(id)] = Record(number: 0, labels: nil, entities: [], group: .max)
            free.append(id)
        }
        unused.removeAll(keepingCapacity: true)
    }

    private mutating func enterGroup(_ labels: SecurityLabels) -> UInt32 {
        let key = NamespaceGroup(name: labels.namespace, labels: labels.namespaceLabels)
        if let group = groupIDs[key] { return group }
        let group = freeGroups.popLast() ?? UInt32(groups.count)
        if Int(group) == groups.count {
            groups.append(key)
            groupMembers.append(NumberList())
        } else {
            groups[Int(group)] = key
        }
        groupIDs[key] = group
        groupsByName[key.name, default: NumberList()].insert(group)
        groupsByLabel.insert(group, key.labels)
        return group
    }

    private mutating func leaveGroup(_ group: UInt32, _ id: UInt32) {
        groupMembers[Int(group)].remove(id)
        guard groupMembers[Int(group)].isEmpty else { return }
        let key = groups[Int(group)]
        groupIDs[key] = nil
        groupsByName[key.name]?.remove(group)
        if groupsByName[key.name]?.isEmpty ?? false { groupsByName[key.name] = nil }
        groupsByLabel.remove(group, key.labels)
        freeGroups.append(group)
    }
}

// Numbers that somebody decides on.
extension IdentityTable {
    /// Takes in what was decided, and returns the places whose holders must retain anew: those of them that are known by
    /// labels by the labels, the others by the number.
    mutating func decide(_ number: IdentityNumber, _ labels: SecurityLabels?) -> [UInt32] {
        guard IdentityAllocator.range.contains(number) else { return [] }
        guard let labels else {
            guard decided[number] != nil else { return [] }
            if byNumber[number] == nil { forget(number) } else { withdrawn.insert(number) }
            return []
        }
        withdrawn.remove(number)
        guard decided[number] != labels else { return [] }
        forget(number)
        decided[number] = labels
        decidedNumbers[labels, default: NumberList()].insert(number)

        var stale: [UInt32] = []
        if let id = unlabelled.removeValue(forKey: number) { stale.append(id) }
        // Others have had the number so far, or the labels another number.
        if let id = byNumber[number], records[Int(id)].labels != labels { stale.append(vacate(id)) }
        if let derived = allocator.number(of: labels), let id = byNumber[derived] { stale.append(vacate(id)) }
        return stale
    }

    /// Keeps the place from those who come; who has it still must leave it.
    private mutating func vacate(_ id: UInt32) -> UInt32 {
        let record = records[Int(id)]
        byNumber[record.number] = nil
        if record.isDerived, let labels = record.labels {
            allocator.release(labels)
            records[Int(id)].isDerived = false
        }
        return id
    }

    private mutating func forget(_ number: IdentityNumber) {
        withdrawn.remove(number)
        guard let labels = decided.removeValue(forKey: number) else { return }
        decidedNumbers[labels]?.remove(number)
        if decidedNumbers[labels]?.isEmpty ?? false { decidedNumbers[labels] = nil }
    }
}

extension IdentityTable {
    /// The places of all identities that the selector matches, sorted.
    func matching(_ selector: PodSelector) -> [UInt32] {
        let matchingGroups: [UInt32]
        switch selector.namespaces {
        case .named(let name): matchingGroups = groupsByName[name].map(Array.init) ?? []
        case .matching(let namespaces):
            matchingGroups = (groupsByLabel.candidates(for: namespaces) ?? Array(groupIDs.values))
                .filter { namespaces.matches(groups[Int($0)].labels) }
        }
        let inGroups = matchingGroups.reduce(0) { $0 + groupMembers[Int($1)].count }
        var found: [UInt32] = []
        if let candidates = byLabel.candidates(for: selector.pods), candidates.count < inGroups {
            let wanted = Set(matchingGroups)
            found = candidates.filter {
                wanted.contains(records[Int($0)].group) && podsMatch(selector.pods, $0)
            }
        } else {
            found.reserveCapacity(inGroups)
            for group in matchingGroups {
                for id in groupMembers[Int(group)] where podsMatch(selector.pods, id) { found.append(id) }
            }
        }
        found.sort()
        return found
    }

    /// The places of all identities that are any of these, sorted.
    func matching(_ entities: EntitySet) -> [UInt32] {
        records.indices.filter { !records[$0].entities.isDisjoint(with: entities) }.map { UInt32($0) }
    }

    private func podsMatch(_ selector: LabelSelector, _ id: UInt32) -> Bool {
        guard !selector.isEmpty else { return true }
        return records[Int(id)].labels.map { selector.matches($0.podLabels) } ?? false
    }
}

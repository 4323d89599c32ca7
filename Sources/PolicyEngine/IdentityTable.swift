// SPDX-License-Identifier: Apache-2.0

import Model

/// The identities that known addresses have, indexed by their labels.
struct IdentityTable: Sendable {
    struct Record: Sendable {
        let number: IdentityNumber
        /// nil: a reserved one, which no label selector matches.
        let labels: SecurityLabels?
        let group: UInt32
        /// Addresses and endpoints that have it.
        var references = 0
    }

    /// Identities whose namespace is the same in name and labels.
    private struct NamespaceGroup: Hashable, Sendable {
        let name: String
        let labels: Labels
    }

    /// Free places stay in the array; their labels are nil and no index leads to them.
    private(set) var records: [Record] = []
    private(set) var allocator = IdentityAllocator()
    private var free: [UInt32] = []
    private var unused: [UInt32] = []
    private var byNumber: [IdentityNumber: UInt32] = [:]

    private var groups: [NamespaceGroup] = []
    private var groupMembers: [NumberList] = []
    private var freeGroups: [UInt32] = []
    private var groupIDs: [NamespaceGroup: UInt32] = [:]
    private var groupsByName: [String: NumberList] = [:]
    private var groupsByLabel = LabelIndex()
    private var byLabel = LabelIndex()

    /// Reserved identities lie at the place of their number.
    init() {
        for reserved in 0...(ReservedIdentity.allCases.map(\.rawValue).max() ?? 0) {
            records.append(Record(number: reserved, labels: nil, group: .max, references: 1))
            byNumber[reserved] = reserved
        }
    }

    var count: Int { allocator.count }

    subscript(id: UInt32) -> Record { records[Int(id)] }

    /// nil if the number is nobody's.
    func id(of number: IdentityNumber) -> UInt32? { byNumber[number] }

    /// Its place. With every number in use that of `unmanaged`, which nothing matches.
    mutating func retain(_ labels: SecurityLabels) -> UInt32 {
        guard let number = allocator.number(of: labels) ?? allocator.retain(labels) else {
            return ReservedIdentity.unmanaged.rawValue
        }
        if let id = byNumber[number] {
            records[Int(id)].references += 1
            return id
        }
        let group = enterGroup(labels)
        let record = Record(number: number, labels: labels, group: group, references: 1)
        let id = free.popLast() ?? UInt32(records.count)
        if Int(id) == records.count { records.append(record) } else { records[Int(id)] = record }
        byNumber[number] = id
        groupMembers[Int(group)].insert(id)
        byLabel.insert(id, labels.podLabels)
        return id
    }

    mutating func release(_ id: UInt32) {
        guard records[Int(id)].labels != nil else { return }
        records[Int(id)].references -= 1
        if records[Int(id)].references == 0 { unused.append(id) }
    }

    /// Forgets those that nobody has any more. Their slots must be gone.
    mutating func removeUnused() {
        for id in unused where records[Int(id)].references == 0 {
            guard let labels = records[Int(id)].labels else { continue }
            byLabel.remove(id, labels.podLabels)
            leaveGroup(records[Int(id)].group, id)
            byNumber[records[Int(id)].number] = nil
            allocator.release(labels)
            records[Int(id)] = Record(number: 0, labels: nil, group: .max)
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

    private func podsMatch(_ selector: LabelSelector, _ id: UInt32) -> Bool {
        guard !selector.isEmpty else { return true }
        return records[Int(id)].labels.map { selector.matches($0.podLabels) } ?? false
    }
}

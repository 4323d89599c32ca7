// SPDX-License-Identifier: Apache-2.0

import Model

/// The policy objects as they are now. Each change of one gives it another revision.
struct ObjectTable: Sendable {
    struct Record: Sendable {
        let object: PolicyObject
        /// Names that its ingress rules use for ports of the selected pods.
        let ingressPortNames: Set<PortName>
    }

    private(set) var records: [Int: Record] = [:]
    /// Of the parts of each object, in their order.
    private(set) var revisions: [ObjectReference: [Int]] = [:]
    private var byNamespace: [String: Set<Int>] = [:]
    /// Whose subjects may be in any namespace.
    private var clusterWide: Set<Int> = []
    private var lastRevision = 0

    /// The revisions that were and those that are; nil if the object is as it was.
    mutating func set(_ reference: ObjectReference, _ parts: [PolicyObject]) -> (old: [Int], new: [Int])? {
        let old = revisions[reference] ?? []
        if parts == old.compactMap({ records[$0]?.object }) { return nil }
        for revision in old { remove(revision) }
        let new = parts.map { insert($0) }
        revisions[reference] = new.isEmpty ? nil : new
        return (old, new)
    }

    private mutating func insert(_ object: PolicyObject) -> Int {
        lastRevision += 1
        records[lastRevision] = Record(object: object, ingressPortNames: Self.ingressPortNames(of: object))
        if case .named(let namespace) = object.subject.namespaces {
            byNamespace[namespace, default: []].insert(lastRevision)
        } else {
            clusterWide.insert(lastRevision)
        }
        return lastRevision
    }

    private mutating func remove(_ revision: Int) {
        guard let record = records.removeValue(forKey: revision) else { return }
        if case .named(let namespace) = record.object.subject.namespaces {
            byNamespace[namespace]?.remove(revision)
            if byNamespace[namespace]?.isEmpty ?? false { byNamespace[namespace] = nil }
        } else {
            clusterWide.remove(revision)
        }
    }

    /// Sorted revisions of the objects that select these labels.
    func selecting(_ labels: SecurityLabels) -> [Int] {
        (byNamespace[labels.namespace] ?? []).union(clusterWide)
            .filter { records[$0]?.object.subject.matches(labels) ?? false }
            .sorted()
    }

    /// In the order of their references, which is that of precedence between equals; parts of one in their order.
    func objects(_ revisions: some Sequence<Int>) -> [PolicyObject] {
        revisions.compactMap { revision in records[revision].map { (revision, $0.object) } }
            .sorted { ($0.1.reference, $0.0) < ($1.1.reference, $1.0) }
            .map(\.1)
    }

    private static func ingressPortNames(of object: PolicyObject) -> Set<PortName> {
        var names: Set<PortName> = []
        for rule in object.rules where rule.direction == .ingress {
            for case .named(let ipProtocol, let name) in rule.ports ?? [] {
                names.insert(PortName(protocol: ipProtocol, name: name))
            }
        }
        return names
    }
}

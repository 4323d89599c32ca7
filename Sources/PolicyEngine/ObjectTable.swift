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
    private(set) var revisions: [ObjectReference: Int] = [:]
    private var byNamespace: [String: Set<Int>] = [:]
    /// Whose subjects may be in any namespace.
    private var clusterWide: Set<Int> = []
    private var lastRevision = 0

    /// The revision that was and the one that is; nil if the object is as it was.
    mutating func set(_ reference: ObjectReference, _ object: PolicyObject?) -> (old: Int?, new: Int?)? {
        let old = revisions[reference]
        if object == old.flatMap({ records[$0]?.object }) { return nil }
        if let old, let record = records.removeValue(forKey: old) {
            revisions[reference] = nil
            if case .named(let namespace) = record.object.subject.namespaces {
                byNamespace[namespace]?.remove(old)
                if byNamespace[namespace]?.isEmpty ?? false { byNamespace[namespace] = nil }
            } else {
                clusterWide.remove(old)
            }
        }
        guard let object else { return (old, nil) }
        lastRevision += 1
        records[lastRevision] = Record(object: object, ingressPortNames: Self.ingressPortNames(of: object))
        revisions[reference] = lastRevision
        if case .named(let namespace) = object.subject.namespaces {
            byNamespace[namespace, default: []].insert(lastRevision)
        } else {
            clusterWide.insert(lastRevision)
        }
        return (old, lastRevision)
    }

    /// Sorted revisions of the objects that select these labels.
    func selecting(_ labels: SecurityLabels) -> [Int] {
        (byNamespace[labels.namespace] ?? []).union(clusterWide)
            .filter { records[$0]?.object.subject.matches(labels) ?? false }
            .sorted()
    }

    /// In the order of their references, which is that of precedence between equals.
    func objects(_ revisions: some Sequence<Int>) -> [PolicyObject] {
        revisions.compactMap { records[$0]?.object }.sorted { $0.reference < $1.reference }
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

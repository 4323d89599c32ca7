// SPDX-License-Identifier: Apache-2.0

import Model

/// The other way round from ``LabelIndex``: finds the selectors that may match given labels.
struct SelectorIndex: Sendable {
    /// One thing that labels must have for the selector to match.
    private enum Access: Hashable {
        case podLabel(key: String, value: String)
        case podKey(String)
        case namespace(String)
        case namespaceLabel(key: String, value: String)
        case any
    }

    private var selectors: [Access: NumberList] = [:]

    mutating func insert(_ id: UInt32, _ selector: PodSelector) {
        for access in Self.accesses(of: selector) { selectors[access, default: NumberList()].insert(id) }
    }

    mutating func remove(_ id: UInt32, _ selector: PodSelector) {
        for access in Self.accesses(of: selector) {
            selectors[access]?.remove(id)
            if selectors[access]?.isEmpty ?? false { selectors[access] = nil }
        }
    }

    /// All selectors that match, and others; each once, sorted.
    func candidates(for labels: SecurityLabels) -> [UInt32] {
        var found: [UInt32] = []
        func collect(_ access: Access) {
            if let list = selectors[access] { found += list }
        }
        collect(.any)
        collect(.namespace(labels.namespace))
        for label in labels.namespaceLabels { collect(.namespaceLabel(key: label.key, value: label.value)) }
        for label in labels.podLabels {
            collect(.podLabel(key: label.key, value: label.value))
            collect(.podKey(label.key))
        }
        found.sortUnique()
        return found
    }

    /// What to file a selector under: labels of pods first, which tell most.
    private static func accesses(of selector: PodSelector) -> [Access] {
        if let (key, values) = requiredLabel(of: selector.pods) {
            return values.map { .podLabel(key: key, value: $0) }
        }
        if let requirement = selector.pods.matchExpressions.first(where: { $0.operator == .exists }) {
            return [.podKey(requirement.key)]
        }
        switch selector.namespaces {
        case .named(let name): return [.namespace(name)]
        case .matching(let namespaces):
            guard let (key, values) = requiredLabel(of: namespaces) else { return [.any] }
            return values.map { .namespaceLabel(key: key, value: $0) }
        }
    }

    private static func requiredLabel(of selector: LabelSelector) -> (key: String, values: [String])? {
        if let label = selector.matchLabels.first { return (label.key, [label.value]) }
        guard let requirement = selector.matchExpressions.first(where: { $0.operator == .in }) else { return nil }
        return (requirement.key, Array(Set(requirement.values)))
    }
}

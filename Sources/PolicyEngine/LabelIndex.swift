// SPDX-License-Identifier: Apache-2.0

import Model

/// Finds what carries a label without looking at what doesn't.
struct LabelIndex: Sendable {
    private var members: [String: [String: NumberList]] = [:]

    mutating func insert(_ member: UInt32, _ labels: Labels) {
        for label in labels {
            members[label.key, default: [:]][label.value, default: NumberList()].insert(member)
        }
    }

    mutating func remove(_ member: UInt32, _ labels: Labels) {
        for label in labels {
            members[label.key]?[label.value]?.remove(member)
            guard members[label.key]?[label.value]?.isEmpty ?? false else { continue }
            members[label.key]?[label.value] = nil
            if members[label.key]?.isEmpty ?? false { members[label.key] = nil }
        }
    }

    /// All members that the selector can match and few others: those with the rarest label that it asks for.
    /// nil if it asks for none, so that any member may match.
    func candidates(for selector: LabelSelector) -> [UInt32]? {
        var best: (count: Int, key: String, values: [String])?
        func offer(_ key: String, _ values: [String]) {
            let postings = members[key]
            let count = values.reduce(0) { $0 + (postings?[$1]?.count ?? 0) }
            if best.map({ count < $0.count }) ?? true { best = (count, key, values) }
        }
        for label in selector.matchLabels { offer(label.key, [label.value]) }
        for requirement in selector.matchExpressions where requirement.operator == .in {
            offer(requirement.key, Array(Set(requirement.values)))
        }
        if let best {
            guard let postings = members[best.key] else { return [] }
            return best.values.flatMap { postings[$0].map(Array.init) ?? [] }
        }
        guard let requirement = selector.matchExpressions.first(where: { $0.operator == .exists }) else { return nil }
        return members[requirement.key]?.values.flatMap(Array.init) ?? []
    }
}

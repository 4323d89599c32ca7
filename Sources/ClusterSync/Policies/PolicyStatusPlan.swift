// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Model

/// What the conditions of a policy's status should be, as far as one node can say.
///
/// `Valid` follows from the object alone, so every node would write the same, and only the first one does.
/// `Enforced` is True when a node has it in its kernel and none has said that it can't; a node that can't says False, with
/// its name, and it stays so until that node can, or is gone. What is invalid is not enforced: that follows from the object
/// again.
struct PolicyStatusPlan: Hashable, Sendable {
    static let validType = "Valid"
    static let enforcedType = "Enforced"
    private static let failed = "NotEnforced"
    private static let invalid = "Invalid"
    /// The schema's limit is 32768 characters.
    private static let messageLimit = 8_000

    /// The conditions that have to be different, without times; empty: nothing has to be written.
    let changes: [KubeCondition]

    /// - Parameters:
    ///   - record: the object's newest version.
    ///   - state: what this node says of the version that it was told last; nil: nothing yet.
    ///   - isNode: whether there is a node of that name.
    init(_ record: PolicyRecord, state: PolicyState?, node: String, isNode: (String) -> Bool) {
        let generation = record.generation
        var wanted: [KubeCondition] = []
        let refusal: String? = if case .invalid(let reason) = state { reason } else { nil }
        if let problem = record.problem ?? refusal {
            wanted = [
                Self.condition(Self.validType, false, Self.invalid, problem, generation),
                Self.condition(
                    Self.enforcedType, false, Self.invalid,
                    "not in force; nodes that had an earlier valid version of it keep that", generation),
            ]
        } else {
            wanted = [Self.condition(Self.validType, true, Self.validType, "", generation)]
            if let enforced = Self.enforced(record, state, node, isNode) { wanted.append(enforced) }
        }
        changes = wanted.filter { condition in
            guard let current = record.conditions[condition.type] else { return true }
            return current.status != condition.status || current.reason != condition.reason
                || current.message ?? "" != condition.message ?? "" || current.observedGeneration != generation
        }
    }

    /// nil: this node has nothing to say, or nothing that matters.
    private static func enforced(
        _ record: PolicyRecord, _ state: PolicyState?, _ node: String, _ isNode: (String) -> Bool
    ) -> KubeCondition? {
        let generation = record.generation
        // It speaks of another version.
        guard record.toldGeneration == generation else { return nil }
        let current = record.conditions[enforcedType].flatMap { $0.observedGeneration == generation ? $0 : nil }
        let complainer = current.flatMap(Self.complainer)
        switch state {
        case .enforced:
            // The complaint of another node stands, as long as there is that node.
            if let complainer, complainer != node, isNode(complainer) { return nil }
            return condition(enforcedType, true, enforcedType, "", generation)
        case .notEnforced(let reason):
            if let complainer, complainer < node, isNode(complainer) { return nil }
            return condition(enforcedType, false, failed, "node \(node): \(reason)", generation)
        case .invalid, nil: return nil
        }
    }

    /// The node that wrote "node NAME: …".
    private static func complainer(_ condition: KubeCondition) -> String? {
        guard !condition.isTrue, condition.reason == failed, let message = condition.message else { return nil }
        let words = message.split(separator: ":", maxSplits: 1)
        guard let head = words.first, head.hasPrefix("node ") else { return nil }
        return String(head.dropFirst(5))
    }

    private static func condition(
        _ type: String, _ isTrue: Bool, _ reason: String, _ message: String, _ generation: Int64
    ) -> KubeCondition {
        KubeCondition(
            type: type, status: isTrue ? "True" : "False", reason: reason,
            message: String(message.prefix(messageLimit)), observedGeneration: generation)
    }

    /// All conditions as they are to be written; `now` is RFC 3339.
    func applied(to current: [KubeCondition], now: String) -> [KubeCondition] {
        var result = current
        for var change in changes {
            let old = current[change.type]
            change.lastTransitionTime = old?.status == change.status ? old?.lastTransitionTime ?? now : now
            result.removeAll { $0.type == change.type }
            result.append(change)
        }
        return result
    }
}

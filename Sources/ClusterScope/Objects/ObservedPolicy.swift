// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// A policy of one of Skein's kinds: what the agents say of it.
package struct ObservedPolicy: KubeObject, Hashable, Sendable {
    package let metadata: ObjectMeta
    package let conditions: [KubeCondition]

    package init(metadata: ObjectMeta, conditions: [KubeCondition] = []) {
        self.metadata = metadata
        self.conditions = conditions
    }

    package enum State: Hashable, Sendable {
        case enforced
        case invalid(String)
        case notEnforced(String)
        /// No agent has spoken of this version of it.
        case unsaid
    }

    /// What an agent said of an earlier version does not count.
    package var state: State {
        let current = conditions.filter { ($0.observedGeneration ?? 0) >= metadata.generation }
        if let valid = current["Valid"], !valid.isTrue { return .invalid(valid.message ?? "") }
        guard let enforced = current["Enforced"] else { return .unsaid }
        return enforced.isTrue ? .enforced : .notEnforced(enforced.message ?? "")
    }
}

extension ObservedPolicy: Decodable {
    private struct Wire: Decodable {
        struct Status: Decodable {
            let conditions: [KubeCondition]?
        }

        let metadata: ObjectMeta
        let status: Status?
    }

    package init(from decoder: any Decoder) throws {
        let wire = try Wire(from: decoder)
        self.init(metadata: wire.metadata, conditions: wire.status?.conditions ?? [])
    }
}

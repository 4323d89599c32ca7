// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// A CustomResourceDefinition as the API server has it: how new it is, and whether it works.
package struct DefinitionState: KubeObject, Hashable, Sendable {
    package let metadata: ObjectMeta
    /// The annotation that says how new it is.
    package let versionText: String?
    package let conditions: [KubeCondition]

    package init(metadata: ObjectMeta, versionText: String? = nil, conditions: [KubeCondition] = []) {
        self.metadata = metadata
        self.versionText = versionText
        self.conditions = conditions
    }

    package static let resource = Resource<DefinitionState>(KubeCustomResourceDefinition.resource.descriptor)
}

extension DefinitionState: Decodable {
    private struct Wire: Decodable {
        struct Status: Decodable {
            let conditions: [KubeCondition]?
        }

        let metadata: ObjectMeta
        let status: Status?
    }

    private struct Stamped: Decodable {
        let metadata: ObjectStamps
    }

    package init(from decoder: any Decoder) throws {
        let wire = try Wire(from: decoder)
        self.init(
            metadata: wire.metadata,
            versionText: try Stamped(from: decoder).metadata.annotations?[Definition.versionKey],
            conditions: wire.status?.conditions ?? [])
    }
}

/// What to do about one definition, by what the API server has.
package enum DefinitionStep: Hashable, Sendable {
    /// Send ours. `replacing`: it must still be as it was seen; nil: there is none.
    case apply(replacing: ObjectMeta?)
    /// It is there, but not served yet; why, if somebody should know.
    case wait(problem: String?)
    /// It is served. `newer`: it is not ours but a newer one, which is left alone.
    case done(newer: Int?)

    package init(_ ours: Definition, found: DefinitionState?) {
        guard let found else {
            self = .apply(replacing: nil)
            return
        }
        if found.metadata.deletionTimestamp != nil {
            self = .wait(problem: "it is being deleted")
            return
        }
        // One without a version is older than any of ours.
        let text = found.versionText ?? "0"
        guard let version = Int(text) else {
            self = .wait(problem: "its annotation \(Definition.versionKey) is \"\(text)\", which is no whole number")
            return
        }
        if version < ours.version {
            self = .apply(replacing: found.metadata)
            return
        }
        guard found.conditions["Established"]?.isTrue ?? false else {
            let refusal = ["NamesAccepted", "NonStructuralSchema"].compactMap { type -> String? in
                guard let condition = found.conditions[type], condition.isTrue == (type == "NonStructuralSchema") else {
                    return nil
                }
                return condition.message ?? type
            }
            self = .wait(problem: refusal.isEmpty ? nil : refusal.joined(separator: "; "))
            return
        }
        self = .done(newer: version > ours.version ? version : nil)
    }
}

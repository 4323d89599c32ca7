// SPDX-License-Identifier: Apache-2.0
package import KubeClient
package import NetTypes

/// A SkeinNode as the one who hands out pod ranges sees it.
package struct NodeRanges: KubeObject, Hashable, Sendable {
    /// `status.ipam`, which the node's agent writes.
    package struct Usage: Hashable, Decodable, Sendable {
        /// Addresses in use; of the family that has more of them.
        package let used: UInt64
        /// Addresses that pods can have still; of the family that has fewer of them.
        package let available: UInt64

        package init(used: UInt64, available: UInt64) {
            self.used = used
            self.available = available
        }
    }

    package struct Condition: Hashable, Sendable {
        package let isTrue: Bool
        package let reason: String
        package let message: String

        package init(isTrue: Bool, reason: String, message: String) {
            self.isTrue = isTrue
            self.reason = reason
            self.message = message
        }
    }

    /// The type of the condition that the operator writes.
    package static let conditionType = "PodCIDRsAllocated"

    package let metadata: ObjectMeta
    /// Sorts by time; empty if it is not known.
    package let created: String
    package let ranges: [Prefix]
    /// What stands among the ranges and is none.
    package let unreadable: [String]
    package let usage: Usage?
    /// The operator's.
    package let condition: Condition?

    package init(
        name: String, uid: String, version: String, created: String = "", ranges: [Prefix] = [],
        unreadable: [String] = [], usage: Usage? = nil, condition: Condition? = nil
    ) {
        metadata = ObjectMeta(name: name, uid: uid, resourceVersion: version)
        self.created = created
        self.ranges = ranges
        self.unreadable = unreadable
        self.usage = usage
        self.condition = condition
    }

    package static let resource = Resource<NodeRanges>(SkeinNode.resource.descriptor)
}

extension NodeRanges: Decodable {
    private struct Wire: Decodable {
        struct Spec: Decodable {
            let podCIDRs: [String]?
        }

        struct Status: Decodable {
            let ipam: Usage?
            let conditions: [KubeCondition]?
        }

        let metadata: ObjectMeta
        let spec: Spec?
        let status: Status?
    }

    private struct Stamped: Decodable {
        let metadata: ObjectStamps
    }

    package init(from decoder: any Decoder) throws {
        let wire = try Wire(from: decoder)
        let texts = wire.spec?.podCIDRs ?? []
        let condition = wire.status?.conditions?[Self.conditionType].map { condition in
            Condition(isTrue: condition.isTrue, reason: condition.reason ?? "", message: condition.message ?? "")
        }
        self.init(
            name: wire.metadata.name, uid: wire.metadata.uid, version: wire.metadata.resourceVersion,
            created: try Stamped(from: decoder).metadata.creationTimestamp ?? "",
            ranges: texts.compactMap { Prefix($0) }, unreadable: texts.filter { Prefix($0) == nil },
            usage: wire.status?.ipam, condition: condition)
    }
}

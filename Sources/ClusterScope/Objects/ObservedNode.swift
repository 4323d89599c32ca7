// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// v1 Node, and whether pods go there.
package struct ObservedNode: KubeObject, Hashable, Decodable, Sendable {
    package let node: KubeNode
    /// Nobody but pods that tolerate it is scheduled there.
    package let isAvoided: Bool

    package init(node: KubeNode, isAvoided: Bool = false) {
        self.node = node
        self.isAvoided = isAvoided
    }

    package var metadata: ObjectMeta { node.metadata }
    package var name: String { node.metadata.name }
    package var isReady: Bool { node.conditions["Ready"]?.isTrue ?? false }
    /// Agents run on no other system.
    package var isLinux: Bool { node.metadata.labels["kubernetes.io/os", default: "linux"] == "linux" }

    private struct Wire: Decodable {
        struct Spec: Decodable {
            let unschedulable: Bool?
            let taints: [Taint]?
        }

        struct Taint: Decodable {
            let effect: String
        }

        let spec: Spec?
    }

    package init(from decoder: any Decoder) throws {
        node = try KubeNode(from: decoder)
        let spec = try Wire(from: decoder).spec
        isAvoided = spec?.unschedulable ?? false || (spec?.taints ?? []).contains { $0.effect != "PreferNoSchedule" }
    }

    package static let resource = Resource<ObservedNode>(Kinds.nodes)
}

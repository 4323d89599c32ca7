// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Model
import NetTypes

/// As the SkeinNode's status has it.
extension NodeState {
    static let readyType = "Ready"

    /// For the SkeinNode's `status.health`.
    var word: String { problem == nil ? "ok" : "degraded" }

    /// Without times.
    var condition: KubeCondition {
        KubeCondition(
            type: Self.readyType, status: problem == nil ? "True" : "False",
            reason: problem == nil ? "AgentIsUp" : "Degraded", message: String((problem ?? "").prefix(8_000)))
    }

    var ipam: SkeinNode.Status.Addresses? { addresses.map { .init(used: $0.used, available: $0.available) } }
}

/// What of this node's objects has to be written.
struct NodePlan: Hashable, Sendable {
    /// What the agent applies of its SkeinNode: nothing that is another's to say.
    struct Configuration: Hashable, Encodable, Sendable {
        struct Metadata: Hashable, Encodable {
            let name: String
            let ownerReferences: [OwnerReference]
        }

        struct Spec: Hashable, Encodable {
            let addresses: [IPAddress]
            /// nil: the operator gives them.
            let podCIDRs: [Prefix]?
        }

        let metadata: Metadata
        let spec: Spec
    }

    static let unavailableType = "NetworkUnavailable"
    static let upReason = "SkeinIsUp"
    /// On nodes whose agent is not ready yet, so that no pods are scheduled there.
    static let taint = "skein.dev/agent-not-ready"

    /// Of the SkeinNode; nil: it is as it should be, or it is not known yet what it should be.
    let configuration: Configuration?
    /// Of the SkeinNode's status, without times; nil: it is as it should be.
    let state: NodeState?
    let clearsUnavailable: Bool
    let removesTaint: Bool

    var isEmpty: Bool { configuration == nil && state == nil && !clearsUnavailable && !removesTaint }

    /// - Parameters:
    ///   - state: nil: not said yet.
    ///   - isReady: pods can be started here.
    init(node: WatchedNode?, skeinNode: SkeinNode?, state: NodeState?, isReady: Bool, copiesPodCIDRs: Bool) {
        guard let node else {
            configuration = nil
            self.state = nil
            clearsUnavailable = false
            removesTaint = false
            return
        }
        let owner = OwnerReference(
            apiVersion: "v1", kind: "Node", name: node.metadata.name, uid: node.metadata.uid)
        // For a moment a Node may have lost its pod CIDRs or addresses; what pods use already is not taken away for that.
        let podCIDRs = node.node.podCIDRs.isEmpty ? skeinNode?.spec.podCIDRs ?? [] : node.node.podCIDRs
        let addresses = node.node.internalIPs.isEmpty ? skeinNode?.spec.addresses ?? [] : node.node.internalIPs
        let isRight =
            skeinNode?.spec.addresses == addresses && skeinNode?.metadata.ownerReferences.contains(owner) ?? false
            && (!copiesPodCIDRs || skeinNode?.spec.podCIDRs == podCIDRs)
        configuration =
            isRight
            ? nil
            : Configuration(
                metadata: .init(name: node.metadata.name, ownerReferences: [owner]),
                spec: .init(addresses: addresses, podCIDRs: copiesPodCIDRs ? podCIDRs : nil))
        self.state = skeinNode.flatMap { Self.isTold(state, by: $0.status) ? nil : state }
        let unavailable = node.node.conditions[Self.unavailableType]
        clearsUnavailable = isReady && (unavailable?.status != "False" || unavailable?.reason != Self.upReason)
        removesTaint = isReady && node.taints.contains { $0.key == Self.taint }
    }

    private static func isTold(_ state: NodeState?, by status: SkeinNode.Status?) -> Bool {
        guard let state else { return true }
        guard let told = status?.conditions?[NodeState.readyType] else { return false }
        let wanted = state.condition
        return status?.health == state.word && status?.ipam == state.ipam && told.status == wanted.status
            && told.reason == wanted.reason && told.message ?? "" == wanted.message ?? ""
    }
}

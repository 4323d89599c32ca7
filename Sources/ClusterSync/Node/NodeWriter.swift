// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import KubeClient
import Logging
import Model
import Synchronization

/// Keeps this node's SkeinNode, and what of its Node is the network's to say.
final class NodeWriter: Sendable {
    private struct Wanted {
        var state: NodeState?
        var isReady = false
    }

    static let manager = "skein-agent"

    private let client: APIClient
    private let store: ClusterStore
    private let settings: ClusterSettings
    private let logger: Logger
    private let wanted = Mutex(Wanted())

    init(_ client: APIClient, _ store: ClusterStore, _ settings: ClusterSettings, logger: Logger) {
        self.client = client
        self.store = store
        self.settings = settings
        self.logger = logger
    }

    func set(_ state: NodeState) {
        wanted.withLock { $0.state = state }
        store.ownNode.fire()
    }

    func setReady() {
        wanted.withLock { $0.isReady = true }
        store.ownNode.fire()
    }

    /// Runs until cancelled.
    func run() async throws {
        var generator = SystemRandomNumberGenerator()
        var failures = 0
        var repeated = RepeatedWrites<NodePlan>(settings.repeatBackoff)
        while true {
            let plan = plan()
            if let wait = repeated.wait(before: plan, at: .now) {
                try await store.ownNode.wait(atMost: wait)
                continue
            }
            do {
                try await carryOut(plan)
                failures = 0
            } catch let error as KubeError {
                failures += 1
                logger.log(
                    level: failures == 1 ? .info : .warning, "this node could not be told to the cluster",
                    metadata: ["error": "\(error)", "kube.failures": "\(failures)"])
                try await Task.sleep(for: settings.backoff.delay(attempt: failures, using: &generator))
                continue
            }
            if plan.isEmpty {
                repeated.forget()
                try await store.ownNode.wait(atMost: .seconds(600))
            } else {
                repeated.wrote(plan, at: .now, using: &generator)
            }
        }
    }

    private func plan() -> NodePlan {
        let wanted = wanted.withLock { $0 }
        let (node, skeinNode, isLive) = store.read { ($0.ownNode, $0.ownSkeinNode, $0.nodes.isLive) }
        // Before all is told, what is not known may still be there.
        return NodePlan(
            node: isLive ? node : nil, skeinNode: skeinNode, state: wanted.state, isReady: wanted.isReady,
            copiesPodCIDRs: settings.copiesPodCIDRs)
    }

    private func carryOut(_ plan: NodePlan) async throws {
        if let configuration = plan.configuration {
            try await client.apply(
                SkeinNode.resource, settings.nodeName, configuration, manager: Self.manager, force: true)
        }
        if let state = plan.state { try await write(state) }
        // Only when all of the node's own is said: others look for it.
        if plan.clearsUnavailable { try await clearUnavailable() }
        if plan.removesTaint { try await removeTaint() }
    }

    private func write(_ state: NodeState) async throws {
        let old = store.read { $0.ownSkeinNode?.status?.conditions?[NodeState.readyType] }
        var condition = state.condition
        let now = timestamp(.now)
        condition.lastTransitionTime = old?.status == condition.status ? old?.lastTransitionTime ?? now : now
        let status = StatusConfiguration(
            metadata: .init(name: settings.nodeName),
            status: .init(health: state.word, ipam: state.ipam, conditions: [condition]))
        try await client.apply(
            SkeinNode.resource, settings.nodeName, subresource: .status, status, manager: Self.manager, force: true)
    }

    private struct StatusConfiguration: Encodable {
        struct Metadata: Encodable {
            let name: String
        }

        let metadata: Metadata
        let status: SkeinNode.Status
    }

    private func clearUnavailable() async throws {
        let now = timestamp(.now)
        let condition = KubeCondition(
            type: NodePlan.unavailableType, status: "False", reason: NodePlan.upReason,
            message: "Skein is running on this node", lastTransitionTime: now, lastHeartbeatTime: now)
        try await client.setCondition(condition, ofNode: settings.nodeName)
        logger.notice("the node's network is up")
    }

    private struct TaintPatch: Encodable {
        struct Metadata: Encodable {
            let resourceVersion: String
        }

        struct Spec: Encodable {
            let taints: [WatchedNode.Taint]
        }

        let metadata: Metadata
        let spec: Spec
    }

    /// Taints are a list without keys to the API server, so all are written, and only if nobody changed them meanwhile.
    private func removeTaint() async throws {
        try await client.retryingConflicts {
            let node = try await client.get(WatchedNode.resource, settings.nodeName)
            let taints = node.taints.filter { $0.key != NodePlan.taint }
            guard taints.count < node.taints.count else { return }
            try await client.patch(
                WatchedNode.resource, settings.nodeName,
                changes: TaintPatch(
                    metadata: .init(resourceVersion: node.metadata.resourceVersion), spec: .init(taints: taints)))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Logging
package import Model
import ServiceLifecycle

/// What this node asks of the cluster and tells it, by way of the API server: SkeinIdentities, its SkeinEndpointSlices,
/// the statuses of policies, its SkeinNode and what of its Node is the network's to say.
///
/// All that is told is kept true by ``run()``, whoever changes or deletes the objects, and again after failures. It works
/// only beside a ``ClusterSource`` that runs.
package struct APIServerDirectory: ClusterDirectory, NodeReadiness, Service {
    private let identities: IdentityDirectory
    private let slices: SliceWriter
    private let policies: PolicyStatusWriter
    private let node: NodeWriter
    private let keeper: IdentityKeeper

    init(_ client: APIClient, _ store: ClusterStore, _ settings: ClusterSettings, logger: Logger) {
        identities = IdentityDirectory(client, store, settings, logger: logger)
        slices = SliceWriter(client, store, settings, logger: logger)
        policies = PolicyStatusWriter(client, store, settings, logger: logger)
        node = NodeWriter(client, store, settings, logger: logger)
        keeper = IdentityKeeper(identities, store, settings, logger: logger)
    }

    /// As the protocol has it; `labels` are those that take part in identities (`IdentityLabelFilter`). Asks the API server
    /// only for labels that nobody had before, and works without ``run()``.
    ///
    /// - Throws: ``IdentityRefused`` when trying on is of no use, `CancellationError`.
    package func identity(of labels: SecurityLabels) async throws -> IdentityNumber {
        try await identities.number(of: labels)
    }

    /// As the protocol has it. Until it is called, the slices that are there stay. Pods in the node's network are not in
    /// it.
    package func setEndpoints(_ endpoints: [ClusterEndpoint]) async {
        keeper.use(Set(endpoints.map(\.identity)))
        slices.set(endpoints)
    }

    /// As the protocol has it. What the source found invalid needs no telling. Kinds whose status is not written here
    /// (NetworkPolicy, ClusterNetworkPolicy) are ignored.
    package func setPolicyState(_ state: PolicyState, of policy: ObjectReference) async {
        policies.set(state, of: policy)
    }

    /// As the protocol has it: in the SkeinNode's status.
    package func setNodeState(_ state: NodeState) async {
        node.set(state)
    }

    /// As the protocol has it; the taint is `skein.dev/agent-not-ready`.
    package func announceReady() async {
        node.setReady()
    }

    /// Writes until it is cancelled or told to shut down, and returns then. What was written stays.
    package func run() async throws {
        do {
            try await cancelWhenGracefulShutdown {
                try await withThrowingTaskGroup { group in
                    group.addTask { try await self.slices.run() }
                    group.addTask { try await self.policies.run() }
                    group.addTask { try await self.node.run() }
                    group.addTask { try await self.keeper.run() }
                    try await group.waitForAll()
                }
            }
        } catch is CancellationError {
            // As asked.
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Logging
import Model

/// Which objects are followed, and how they are taken in.
extension ClusterSource {
    typealias Follower = @Sendable () async throws -> Void
    /// Takes in one object, or what became of it.
    private typealias Take = @Sendable (inout ClusterState) -> Void

    var followers: [Follower] {
        let node = settings.nodeName
        let ownPods = ObjectSelection(fieldSelector: KubePod.fieldSelector(node: node))
        var followers: [Follower] = [
            follower(KubeNamespace.resource, .namespaces) { namespace in { $0.set(Namespace(namespace)) } },
            follower(KubePod.resource, .pods, ownPods) { pod in
                // A server that does not know the selector sends all.
                guard pod.nodeName == node else { return { $0.remove(.pods, pod.metadata.key) } }
                return { $0.set(Pod(pod)) }
            },
            follower(SkeinNode.resource, .nodes) { node in { $0.set(node) } },
            follower(WatchedService.resource, .services) { service in { $0.set(service) } },
            follower(SkeinIdentity.resource, .identities) { identity in { $0.set(identity) } },
            follower(SkeinEndpointSlice.resource, .endpointSlices) { slice in { $0.set(slice) } },
            { try await self.followOwnNode() },
            { try await self.followAPIServers() },
            { try await self.followClusterPolicies() },
        ]
        for kind in [ClusterKind.networkPolicies, .skeinPolicies, .skeinClusterPolicies] {
            guard let descriptor = kind.policyDescriptor else { continue }
            followers.append { try await self.policyReflector(descriptor, kind).run() }
        }
        return followers
    }

    private func settings<Object>(_ selection: ObjectSelection) -> Reflector<Object>.Settings {
        var settings = Reflector<Object>.Settings(selection: selection)
        settings.backoff = self.settings.backoff
        return settings
    }

    private func follower<Object>(
        _ resource: Resource<Object>, _ kind: ClusterKind, _ selection: ObjectSelection = ObjectSelection(),
        take: @escaping @Sendable (Object) -> Take
    ) -> Follower {
        { try await self.reflector(resource, kind, selection, take: take).run() }
    }

    private func reflector<Object>(
        _ resource: Resource<Object>, _ kind: ClusterKind, _ selection: ObjectSelection = ObjectSelection(),
        take: @escaping @Sendable (Object) -> Take
    ) -> Reflector<Object> {
        Reflector(client, resource, settings: settings(selection), logger: logger) { [store] batch in
            // Read before anybody is kept waiting.
            let steps: [Take] = batch.changes.map { change in
                switch change {
                case .changed(let object): take(object)
                case .deleted(let key): { $0.remove(kind, key) }
                case .undecodable(let key, let problem): { $0.refuse(kind, key, problem) }
                }
            }
            store.update { state in
                for step in steps { step(&state) }
                if batch.phase == .initialEnd { state.becomeLive(kind) }
            }
        }
    }

    private func policyReflector(_ descriptor: ResourceDescriptor, _ kind: ClusterKind) -> Reflector<RawObject> {
        reflector(.raw(descriptor), kind) { object in
            let policy = ReceivedPolicy(object, kind)
            return { $0.set(policy, kind) }
        }
    }

    /// The Node object: of no kind that is told.
    private func followOwnNode() async throws {
        let own = ObjectSelection(fieldSelector: "metadata.name=\(settings.nodeName)")
        let name = settings.nodeName
        try await Reflector(client, WatchedNode.resource, settings: settings(own), logger: logger) { [store] batch in
            store.update { state in
                for change in batch.changes {
                    switch change {
                    case .changed(let node) where node.metadata.name == name: state.ownNode = node
                    case .deleted(let key) where key.name == name: state.ownNode = nil
                    default: continue
                    }
                    state.wake(.ownNode)
                }
            }
        }.run()
    }

    // MARK: What has to be found first

    /// The API servers are where the service `kubernetes` says.
    private func followAPIServers() async throws {
        guard let descriptor = try await trying("to find EndpointSlices", { try await $0.endpointSlices() }) else {
            logger.error("the API server has no EndpointSlices: who is kube-apiserver is not known")
            return store.update { $0.becomeLive(.apiServers) }
        }
        let selection = ObjectSelection(namespace: "default", labelSelector: "kubernetes.io/service-name=kubernetes")
        try await reflector(Resource<ServiceEndpoints>(descriptor), .apiServers, selection) { slice in
            { $0.setAPIServers(slice.addresses, in: slice.metadata.name) }
        }.run()
    }

    /// ClusterNetworkPolicies, as long as there is such a kind.
    private func followClusterPolicies() async throws {
        let kind = ClusterKind.clusterPolicies
        guard let descriptor = kind.policyDescriptor else { return }
        while true {
            let isServed = try await trying("to find \(kind.name)") { try await $0.isServed(descriptor) }
            if isServed {
                try await withThrowingTaskGroup { group in
                    group.addTask { try await self.policyReflector(descriptor, kind).run() }
                    group.addTask {
                        repeat {
                            try await Task.sleep(for: self.settings.discoveryInterval)
                        } while try await self.trying("to find \(kind.name)", { try await $0.isServed(descriptor) })
                    }
                    try await group.next()
                    group.cancelAll()
                }
                try Task.checkCancellation()
                logger.notice("there are no ClusterNetworkPolicies any more")
            }
            store.update { state in
                state.removeAll(kind)
                state.becomeLive(kind)
            }
            try await Task.sleep(for: settings.discoveryInterval)
        }
    }

    /// Calls until there is an answer.
    private func trying<Value>(
        _ what: String, _ call: (APIClient) async throws -> Value
    ) async throws -> Value {
        var generator = SystemRandomNumberGenerator()
        var attempt = 1
        while true {
            do {
                return try await call(client)
            } catch let error as KubeError {
                logger.log(
                    level: attempt == 1 ? .info : .warning, "no success yet",
                    metadata: ["task": "\(what)", "error": "\(error)"])
            }
            try await Task.sleep(for: settings.backoff.delay(attempt: attempt, using: &generator))
            attempt += 1
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package import KubeClient

extension ClusterFacts {
    /// Asks the API server. Throws ``KubeError``.
    package static func read(_ client: APIClient, namespace: String) async throws -> ClusterFacts {
        var facts = ClusterFacts(serverVersion: try await client.serverVersion(), namespace: namespace)
        facts.nodes = try await client.all(ObservedNode.resource)
        let selector = "\(nameLabel) in (\(agentName),\(operatorName))"
        let pods = try await client.all(
            ObservedPod.resource, ObjectSelection(namespace: namespace, labelSelector: selector))
        facts.agents = pods.filter { $0.metadata.labels[nameLabel] == agentName }
        facts.operators = pods.filter { $0.metadata.labels[nameLabel] == operatorName }
        facts.operatorReplicas = try await client.find(
            Resource<Deployment>(Kinds.deployments), operatorName, namespace: namespace)?.replicas
        facts.networkPolicies = try await count(client, Kinds.networkPolicies)
        do {
            facts.clusterNetworkPolicies = try await count(client, Kinds.clusterNetworkPolicies)
        } catch let error as KubeError where error.isNotFound {
            facts.clusterNetworkPolicies = nil
        }
        try await facts.readSkeinKinds(client)
        return facts
    }

    private struct Deployment: KubeObject, Decodable {
        struct Spec: Decodable {
            let replicas: Int?
        }

        let metadata: ObjectMeta
        let spec: Spec

        var replicas: Int { spec.replicas ?? 1 }
    }

    private mutating func readSkeinKinds(_ client: APIClient) async throws {
        skeinNodes = try await served(SkeinNode.resource) { try await client.all($0) } ?? []
        endpoints =
            try await served(SkeinEndpointSlice.resource) { resource in
                var counts: [String: Int] = [:]
                _ = try await client.list(resource) { part in
                    switch part {
                    case .restarted: counts = [:]
                    case .objects(let received):
                        // What can't be read is the agents' worry.
                        for case .object(let slice) in received {
                            counts[slice.nodeName, default: 0] += slice.endpoints.count
                        }
                    }
                }
                return counts
            } ?? [:]
        identities = try await served(SkeinIdentity.resource) { try await Self.count(client, $0.descriptor) } ?? 0
        for kind in [Kinds.skeinNetworkPolicies, Kinds.skeinClusterNetworkPolicies] {
            policies +=
                try await served(Resource<ObservedPolicy>(kind)) { resource in
                    try await client.all(resource).map { Policy(kind: kind.kind, object: $0) }
                } ?? []
        }
    }

    /// nil, and noted, if the kind is not served.
    private mutating func served<Object: KubeObject, Value>(
        _ resource: Resource<Object>, _ read: (Resource<Object>) async throws -> Value
    ) async throws -> Value? {
        do {
            return try await read(resource)
        } catch let error as KubeError where error.isNotFound {
            missingKinds.append(resource.descriptor.kind)
            return nil
        }
    }

    private static func count(_ client: APIClient, _ kind: ResourceDescriptor) async throws -> Int {
        var count = 0
        _ = try await client.list(.raw(kind)) { part in
            switch part {
            case .restarted: count = 0
            case .objects(let received): count += received.count
            }
        }
        return count
    }
}

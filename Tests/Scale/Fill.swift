// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import KubeClient
import NetTypes

/// Makes the objects of the cluster.
struct Fill: AsyncParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Make the objects of a large cluster.")

    @OptionGroup var connection: Connection
    @OptionGroup var sizes: Sizes
    @Option(help: "Calls at one time.") var calls = 64

    func run() async throws {
        let world = World(sizes)
        try await connection.withClient { client in
            try await each(world.namespaces, "namespaces") { number in
                _ = try await client.create(
                    Document.namespaces,
                    Document(
                        metadata: ObjectMeta(name: World.namespace(number), labels: World.namespaceLabels(number))))
            }
            try await each(world.identities, "identities") { number in
                _ = try await client.create(SkeinIdentity.resource, world.identity(number))
            }
            try await each(world.nodes, "nodes") { number in
                _ = try await client.create(SkeinNode.resource, world.skeinNode(number))
            }
            try await each(world.nodes, "slices, of \(world.endpoints) pods") { number in
                _ = try await client.create(SkeinEndpointSlice.resource, world.slice(of: number))
            }
            try await each(world.policies, "policies") { number in
                let (resource, object) = world.policy(number)
                _ = try await client.create(resource, object, namespace: object.metadata.namespace)
            }
            try await makeOwnNode(client, world)
        }
    }

    /// The agent's node and its pods, which nobody runs.
    private func makeOwnNode(_ client: APIClient, _ world: World) async throws {
        let ranges: JSON = ["10.78.1.0/24", "fd5c:e2e:0:101::/64"]
        _ = try await client.create(
            Document.nodes,
            Document(
                metadata: ObjectMeta(name: World.ownNode), spec: ["podCIDR": "10.78.1.0/24", "podCIDRs": ranges]))
        let status: JSON = [
            "status": [
                "addresses": [
                    ["type": "InternalIP", "address": "172.30.77.11"],
                    ["type": "InternalIP", "address": "fd5c:e2e:0:1::11"],
                ]
            ]
        ]
        try await client.patch(
            Document.nodes, World.ownNode, subresource: .status, kind: .strategicMerge, changes: status)
        try await each(world.localPods, "pods of \(World.ownNode)") { number in
            let namespace = World.namespace(number)
            // Nobody else makes it where no controllers run.
            _ = try await client.create(
                Document.accounts, Document(metadata: ObjectMeta(name: "default", namespace: namespace)),
                namespace: namespace)
            let container: JSON = [
                "name": "main", "image": "none",
                "ports": [["name": "http", "containerPort": 8_080]],
            ]
            let spec: JSON = [
                "nodeName": .text(World.ownNode), "containers": [container],
                "automountServiceAccountToken": .bool(false),
            ]
            _ = try await client.create(
                Document.pods,
                Document(
                    metadata: ObjectMeta(name: "pod", namespace: namespace, labels: World.podLabels(number)),
                    spec: spec), namespace: namespace)
        }
    }

    private func each(
        _ count: Int, _ what: String, _ make: @escaping @Sendable (Int) async throws -> Void
    ) async throws {
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<count {
                if number >= calls { try await group.next() }
                group.addTask { try await make(number) }
            }
            try await group.waitForAll()
        }
        print("   \(count) \(what): \(Seconds(start.duration(to: .now)))")
    }
}

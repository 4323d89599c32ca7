// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Synchronization
import Testing

@testable import ClusterScope

@Suite struct ClusterStatusTests {
    /// Reads the status of two nodes with Skein, after `change`.
    private func status(_ change: (FakeCluster) throws -> Void = { _ in }) async throws -> ClusterStatus {
        let cluster = FakeCluster()
        try FakeNodes.install(cluster)
        try change(cluster)
        return try await withServer(answer: FakeNodes.answer(cluster)) { client, _ in
            try await ClusterStatus.read(client, namespace: "kube-system")
        }
    }

    @Test func `a cluster in which all is well says so`() async throws {
        let status = try await status { cluster in
            try cluster.put(
                "\(FakeNodes.skein)/skeinendpointslices/two-0",
                "{\"metadata\":{\"name\":\"two-0\"},\"nodeName\":\"two\",\"endpoints\":["
                    + "{\"addresses\":[\"10.0.1.4\"],\"identity\":300},{\"addresses\":[\"10.0.1.5\"],\"identity\":300}]}"
            )
            try cluster.put(
                "\(FakeNodes.skein)/skeinidentities/300", "{\"metadata\":{\"name\":\"300\"},\"spec\":{\"labels\":{}}}")
            try cluster.put(
                "\(FakeNodes.skein)/namespaces/shop/skeinnetworkpolicies/api",
                FakeNodes.policy("api", [("Valid", "True", ""), ("Enforced", "True", "")]))
        }
        #expect(status.well)
        #expect(status.problems == [])
        #expect(status.nodes.map(\.name) == ["one", "two"])
        #expect(status.nodes.map(\.endpoints) == [0, 2])
        #expect(status.nodes.map(\.podCIDRs) == [["10.0.0.0/24"], ["10.0.1.0/24"]])
        #expect(status.nodes.first?.agent?.image == "skein:1")
        #expect(status.totals.readyAgents == 2)
        #expect(status.totals.readyOperators == 1)
        #expect(status.totals.endpoints == 2)
        #expect(status.totals.identities == 1)
        #expect(status.totals.skeinPolicies == 1)
        #expect(status.page.contains("Well        yes"))
        #expect(status.page.contains("skein:1"))
    }

    @Test func `an agent that is not ready, is missing, or is being deleted is a problem`() async throws {
        let notReady = try await status { cluster in
            try cluster.put(
                "\(FakeNodes.pods)/skein-agent-one",
                FakeNodes.pod(
                    "skein-agent-one", on: "one", label: "skein-agent", ready: "False", restarts: 3,
                    state: "{\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"it fell\"}}"))
        }
        #expect(
            notReady.problems == [
                "one: agent skein-agent-one is not ready: running; agent: CrashLoopBackOff: it fell"
            ])
        #expect(notReady.nodes.first?.agent?.restarts == 3)
        #expect(notReady.totals.readyAgents == 1)

        let missing = try await status { $0.remove("\(FakeNodes.pods)/skein-agent-two") }
        #expect(missing.problems == ["two: no agent"])
    }

    @Test func `a node with another system needs no agent`() async throws {
        let status = try await status { cluster in
            try cluster.put(
                "/api/v1/nodes/w",
                "{\"metadata\":{\"name\":\"w\",\"labels\":{\"kubernetes.io/os\":\"windows\"}},\"spec\":{},"
                    + "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"}]}}")
        }
        #expect(status.well)
        #expect(status.totals.nodes == 2)
        #expect(status.nodes.last?.expected == false)
    }

    @Test func `what an agent says of its node is told`() async throws {
        let status = try await status { cluster in
            try cluster.put(
                "\(FakeNodes.skein)/skeinnodes/one",
                FakeNodes.skeinNode("one", 0, health: "degraded", message: "a map is full"))
            cluster.remove("\(FakeNodes.skein)/skeinnodes/two")
        }
        #expect(status.problems == ["one: Ready is False: a map is full", "two: no SkeinNode"])
        #expect(status.nodes.first?.health == "degraded")
    }

    @Test func `policies that are refused, not enforced, or not spoken of are problems`() async throws {
        let status = try await status { cluster in
            let folder = "\(FakeNodes.skein)/namespaces/shop/skeinnetworkpolicies"
            try cluster.put("\(folder)/a", FakeNodes.policy("a", [("Valid", "False", "spec.ingress is no list")]))
            try cluster.put(
                "\(folder)/b",
                FakeNodes.policy("b", [("Valid", "True", ""), ("Enforced", "False", "node one: a map is full")]))
            try cluster.put(
                "\(folder)/c", FakeNodes.policy("c", generation: 2, [("Valid", "True", ""), ("Enforced", "True", "")]))
        }
        #expect(
            status.problems == [
                "SkeinNetworkPolicy shop/a is not valid: spec.ingress is no list",
                "SkeinNetworkPolicy shop/b is not enforced: node one: a map is full",
                "SkeinNetworkPolicy shop/c is not enforced: no agent has said anything of it",
            ])
        #expect(status.totals.refusedPolicies == 1)
        #expect(status.totals.unenforcedPolicies == 2)
    }

    @Test func `a cluster without Skein says what is missing`() async throws {
        let cluster = FakeCluster()
        try cluster.put("/api/v1/nodes/one", FakeNodes.node("one", "192.0.2.11"))
        cluster.gate.withLock {
            $0 = { request in if request.path.hasPrefix("/apis/skein.dev") { throw Missing() } }
        }
        let status = try await withServer(
            answer: { request in
                do { return try await FakeNodes.answer(cluster)(request) } catch is Missing {
                    return .status(404, "NotFound")
                }
            },
            { client, _ in try await ClusterStatus.read(client, namespace: "kube-system") })
        #expect(
            status.problems == [
                "the API server does not serve SkeinNode, SkeinEndpointSlice, SkeinIdentity, SkeinNetworkPolicy, "
                    + "SkeinClusterNetworkPolicy: the operator installs them",
                "there is no pod of skein-agent in kube-system", "there is no Deployment skein-operator in kube-system",
                "one: no agent", "one: no SkeinNode",
            ])
    }

    private struct Missing: Error {}

    @Test func `waiting ends when all is well, and not before`() async throws {
        let cluster = FakeCluster()
        try FakeNodes.install(cluster)
        try cluster.put(
            "\(FakeNodes.skein)/skeinnodes/one", FakeNodes.skeinNode("one", 0, health: "degraded", message: "not yet"))
        let reads = Counter()
        cluster.gate.withLock {
            $0 = { request in
                guard request.path == "/api/v1/nodes" else { return }
                switch reads.add(1) {
                case 2: throw Abort()
                case 4: try cluster.put("\(FakeNodes.skein)/skeinnodes/one", FakeNodes.skeinNode("one", 0))
                default: return
                }
            }
        }
        let status = try await withServer(answer: FakeNodes.answer(cluster)) { client, _ in
            try await ClusterStatus.read(
                client, namespace: "kube-system", until: .now + .seconds(30), every: .milliseconds(5))
        }
        #expect(status.well)
        #expect(reads.value >= 4)
    }

    @Test func `at the deadline, what is not well is told`() async throws {
        let cluster = FakeCluster()
        try FakeNodes.install(cluster)
        cluster.remove("\(FakeNodes.pods)/skein-operator-x")
        let status = try await withServer(answer: FakeNodes.answer(cluster)) { client, _ in
            try await ClusterStatus.read(
                client, namespace: "kube-system", until: .now + .milliseconds(50), every: .milliseconds(5))
        }
        #expect(status.problems == ["operator: 0 of 1 are ready"])
    }

    @Test func `an API server that refuses is an error at once`() async throws {
        let error = await #expect(throws: KubeError.self) {
            try await withServer(answer: { _ in .status(403, "Forbidden") }) { client, _ in
                try await ClusterStatus.read(client, namespace: "kube-system", until: .now + .seconds(30))
            }
        }
        #expect(error?.isForbidden == true)
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Model
import NetTypes
import PolicyEngine
import Testing

/// Starts and restarts in a cluster, and the ranges that the cluster gives.
struct ClusterStartTests {
    private let web = ClusterStand.labels(["app": "web"])

    @Test func `ranges that come late are waited for, and said to be missing`() async throws {
        let stand = try ClusterStand()
        let objects: [ResourceChange] = [
            .namespace("default", Namespace(name: "default")), .pod("a", labels: ["app": "web"]),
        ]
        try await stand.run(objects) { agent in
            let problem = "this node has no pod CIDR yet: there is none in SkeinNode node-1"
            #expect(await agent.problems() == [problem])
            let error = await #expect(throws: APIError.self) { try await agent.allocate(TestNode.request("a")) }
            #expect(error?.message == problem)
            #expect(error?.retryable == true)
            await agent.apply([.node("node-2", ranges: ["10.2.0.0/24"]), .node("node-1", addresses: ["192.0.2.1"])])
            #expect(await agent.problems() == [problem])
            await agent.apply([.node("node-1", ranges: ["fd00:1::/64", "10.1.0.0/24"])])
            #expect(await agent.problems().isEmpty)
            let reply = try await stand.node.addPod("a", to: agent)
            #expect(reply.ipv4?.description == "10.1.0.1")
            #expect(reply.ipv6?.description == "fd00:1::1")
        }
    }

    @Test func `ranges grow and go while pods run`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            await agent.apply((0..<4).map { .pod("pod-\($0)", labels: ["app": "web"]) })
            await agent.apply([.node("node-1", ranges: ["10.1.0.0/30"])])
            let first = try await stand.node.addPod("pod-0", to: agent)
            try await stand.node.addPod("pod-1", to: agent)
            let full = await #expect(throws: APIError.self) { try await agent.allocate(TestNode.request("pod-2")) }
            #expect(full?.code == APIError.Code.exhausted)
            await agent.apply([.node("node-1", ranges: ["10.1.0.0/30", "10.5.0.0/24"])])
            #expect(try await stand.node.addPod("pod-2", to: agent).ipv4?.description == "10.5.0.1")
            await agent.apply([.node("node-1", ranges: ["10.5.0.0/24"])])
            #expect(await agent.endpoint(TestNode.key("pod-0"))?.ipv4 == first.ipv4)
            #expect(stand.identity(at: first.ipv4) == 1_000)
            try await agent.delete(TestNode.key("pod-0"))
            #expect(try await stand.node.addPod("pod-3", to: agent).ipv4?.description == "10.5.0.2")
        }
    }

    @Test func `ranges that can't be used are told, and the old ones stay`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            await agent.apply([.node("node-1", ranges: ["10.1.0.0/24", "10.1.0.0/25"])])
            #expect(await agent.problems().isEmpty)
            let told = try await agent.status().notReady
            #expect(told.count == 1)
            #expect(told.first?.contains("SkeinNode node-1 can't be used: pod ranges 10.1.0.0/24 and") == true)
            #expect(try await stand.node.addPod("a", to: agent).ipv4?.description == "10.1.0.1")
            await agent.apply([.node("node-1", ranges: ["10.1.0.0/24"])])
            #expect(try await agent.status().notReady.isEmpty)
        }
        let other = try ClusterStand()
        try await other.run([.node("node-1", ranges: ["169.254.0.0/24"])]) { agent in
            let problems = await agent.problems()
            #expect(problems.count == 1)
            #expect(problems.first?.contains("169.254.0.0/16") == true)
        }
    }

    @Test func `a restart goes on with the identities it had while the cluster says nothing`() async throws {
        let stand = try ClusterStand()
        var first: AllocateReply?
        try await stand.run { agent in
            await agent.apply([.pod("a", uid: "u", labels: ["app": "web"]), .pod("b", labels: ["app": "b"])])
            first = try await stand.node.addPod("a", to: agent, uid: "u")
            try await stand.node.addPod("b", to: agent)
        }
        let reply = try #require(first)
        stand.directory.update { $0.answersAll = false }
        stand.directory.update { $0.numbers = [:] }
        // Neither pods nor identities are known; the ranges aren't either.
        let agent = try stand.makeAgent()
        try await agent.start([.namespace("default", Namespace(name: "default"))])
        #expect(stand.identity(at: reply.ipv4) == 1_000)
        #expect(await agent.endpoint(TestNode.key("a"))?.labels == ["app": "web"])
        #expect(await agent.endpoints().map(\.state) == [.ready, .ready])
        try await stand.talking(agent) {
            try await eventually("what it tells") { stand.directory.snapshot.endpoints.last?.count == 2 }
            await agent.apply([.node("node-1", ranges: ["10.1.0.0/24", "fd00:1::/64"])])
            await agent.apply([.pod("c", labels: ["app": "web"]), .pod("d", labels: ["app": "new"])])
            let third = try await stand.node.addPod("c", to: agent)
            #expect(third.ipv4?.description == "10.1.0.3", "known labels start without the cluster")
            #expect(stand.identity(at: third.ipv4) == 1_000)
        }
    }

    @Test func `what changed while the agent was down is taken in before anything is attached`() async throws {
        let stand = try ClusterStand()
        var first: AllocateReply?
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            first = try await stand.node.addPod("a", to: agent)
        }
        let reply = try #require(first)
        let other = ClusterStand.labels(["app": "other"])
        let agent = try stand.makeAgent()
        try await agent.start(ClusterStand.objects + [.pod("a", labels: ["app": "other"]), .identity(2_000, other)])
        #expect(stand.identity(at: reply.ipv4) == 2_000)
        #expect(stand.node.kernel.snapshot.views[reply.endpoint]?.identity == 2_000)

        // The number has gone to other labels, and these have none yet.
        let third = try stand.makeAgent()
        try await third.start(ClusterStand.objects + [.pod("a", labels: ["app": "other"]), .identity(2_000, web)])
        #expect(stand.identity(at: reply.ipv4) != 2_000)
        #expect(await third.takeNews().endpoints?.isEmpty == true, "nobody is told a number that nobody gave")
    }

    @Test func `of pods that are gone from the cluster those without a device are released, and no others`()
        async throws
    {
        let stand = try ClusterStand()
        var replies: [String: AllocateReply] = [:]
        try await stand.run { agent in
            for name in ["a", "b", "c"] {
                await agent.apply([.pod(name, labels: ["app": "web"])])
                replies[name] = try await stand.node.addPod(name, to: agent)
            }
        }
        let gone = try #require(replies["a"])
        stand.node.host.removeLink(gone.hostInterface)
        stand.node.host.removeLink(try #require(replies["c"]).hostInterface)
        let agent = try stand.makeAgent()
        try await agent.start(ClusterStand.objects + [.pod("c", labels: ["app": "web"])])
        #expect(await agent.endpoints().map(\.podName) == ["b"])
        #expect(stand.identity(at: gone.ipv4) == nil)
        #expect(stand.identity(at: replies["b"]?.ipv4) == 1_000)
        #expect(stand.node.folder.names(in: "run/endpoints").count == 1)
        #expect(await agent.takeNews().endpoints?.map(\.podName) == ["b"])
    }

    @Test func `addresses are reused last, also when the ranges come after the start`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            await agent.apply((0..<3).map { .pod("pod-\($0)", labels: ["app": "web"]) })
            for number in 0..<3 { try await stand.node.addPod("pod-\(number)", to: agent) }
            try await agent.delete(TestNode.key("pod-1"))
            await agent.savePools()
        }
        let agent = try stand.makeAgent()
        let pods = [ResourceChange.pod("pod-3", labels: ["app": "web"])]
        try await agent.start([.namespace("default", Namespace(name: "default"))] + pods)
        await agent.savePools()
        try await stand.talking(agent) {
            await agent.apply([.node("node-1", ranges: ["10.1.0.0/24", "fd00:1::/64"])])
            let reply = try await stand.node.addPod("pod-3", to: agent)
            #expect(reply.ipv4?.description == "10.1.0.4")
        }
    }

    @Test func `the records of an agent without a cluster can be read`() async throws {
        let stand = try ClusterStand()
        let standalone = try await stand.node.startAgent()
        let reply = try await stand.node.addPod("a", to: standalone, labels: ["app": "web"])
        let agent = try stand.makeAgent()
        try await agent.start(ClusterStand.objects + [.pod("a", labels: ["app": "web"])])
        try await stand.talking(agent) {
            try await eventually("its number") { stand.identity(at: reply.ipv4) == 1_000 }
            try await eventually("the cluster knows") {
                stand.directory.snapshot.endpoints.map { $0.map(\.identity) } == [[], [1_000]]
            }
        }
    }
}

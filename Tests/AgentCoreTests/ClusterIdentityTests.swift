// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Model
import NetTypes
import PolicyEngine
import Testing

/// Identities of pods that run, and what the cluster is told.
struct ClusterIdentityTests {
    private let web = ClusterStand.labels(["app": "web"])
    private let other = ClusterStand.labels(["app": "other"])

    @Test func `a relabelled pod keeps its identity until the new one has a number`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        stand.directory.answer(web, 700)
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"]), .allow(from: "web", to: "other", name: "x")])
            let reply = try await stand.node.addPod("a", to: agent)
            await agent.apply([.pod("a", labels: ["app": "other"])])
            try await eventually("it asks") { stand.directory.snapshot.asked.contains(other) }
            #expect(stand.identity(at: reply.ipv4) == 700)
            #expect(stand.node.kernel.snapshot.tables.views[1]?.enforceIngress == false)
            #expect(await agent.endpoint(TestNode.key("a"))?.labels == ["app": "web"])
            stand.directory.answer(other, 701)
            try await eventually("the switch") { stand.identity(at: reply.ipv4) == 701 }
            #expect(stand.node.kernel.snapshot.tables.views[1]?.enforceIngress == true)
            try await eventually("the cluster knows") {
                stand.directory.snapshot.endpoints.last?.map(\.identity) == [701]
            }
            #expect(stand.directory.snapshot.endpoints.map { $0.map(\.identity) } == [[], [700], [701]])
        }
    }

    @Test func `labels that come back before the number do are not switched`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        stand.directory.answer(web, 700)
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let reply = try await stand.node.addPod("a", to: agent)
            await agent.apply([.pod("a", labels: ["app": "other"])])
            try await eventually("it asks") { stand.directory.snapshot.asked.contains(other) }
            await agent.apply([.pod("a", labels: ["app": "web"])])
            stand.directory.answer(other, 701)
            try await eventually("the answer") { await agent.knows(other) }
            #expect(stand.identity(at: reply.ipv4) == 700)
        }
    }

    @Test func `labels of a namespace count for pods that run, and are asked for once`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"]), .pod("b", labels: ["app": "web"])])
            let replies = [try await stand.node.addPod("a", to: agent), try await stand.node.addPod("b", to: agent)]
            let team = Namespace(name: "default", labels: ["team": "blue"])
            await agent.apply([.namespace("default", team)])
            try await eventually("the switch") { replies.allSatisfy { stand.identity(at: $0.ipv4) == 1_001 } }
            #expect(stand.directory.snapshot.asked == [web, ClusterStand.labels(["app": "web"], namespace: team)])
        }
    }

    @Test func `a pod whose object goes first keeps its identity`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let reply = try await stand.node.addPod("a", to: agent)
            await agent.apply([.pod(ObjectReference(kind: "Pod", namespace: "default", name: "a"), nil)])
            #expect(stand.identity(at: reply.ipv4) == 1_000)
            await agent.apply([.pod("a", uid: "later", labels: ["app": "other"])])
            try await eventually("no UID was given, so it is it") {
                await agent.endpoint(TestNode.key("a"))?.labels == ["app": "other"]
            }
        }
    }

    @Test func `a number that was collected while pods use it is asked for again, and stays meanwhile`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let reply = try await stand.node.addPod("a", to: agent)
            await agent.apply([.identity(1_000, web)])
            stand.directory.update { $0.answersAll = false }
            stand.directory.update { $0.numbers = [:] }
            await agent.apply([.identity(1_000, nil)])
            try await eventually("it asks") { stand.directory.snapshot.asked.count == 2 }
            #expect(stand.identity(at: reply.ipv4) == 1_000)
            stand.directory.answer(web, 1_000)
            try await eventually("the answer") { await agent.knows(web) }
            #expect(stand.identity(at: reply.ipv4) == 1_000)
        }
    }

    @Test func `a number that was given to other labels is left at once`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let reply = try await stand.node.addPod("a", to: agent)
            stand.directory.update { $0.answersAll = false }
            stand.directory.update { $0.numbers = [:] }
            await agent.apply([.identity(1_000, other)])
            #expect(stand.identity(at: reply.ipv4) != 1_000)
            try await eventually("it is not told") { stand.directory.snapshot.endpoints.last?.isEmpty == true }
            stand.directory.answer(web, 1_001)
            try await eventually("the new number") { stand.identity(at: reply.ipv4) == 1_001 }
        }
    }

    @Test func `numbers that nobody has written down are asked for again`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            try await stand.node.addPod("a", to: agent)
            await agent.confirmIdentities()
            try await eventually("it asks") { stand.directory.snapshot.asked.count == 2 }
            await agent.apply([.identity(1_000, web)])
            await agent.confirmIdentities()
            await agent.apply([.pod("b", labels: ["app": "other"])])
            try await stand.node.addPod("b", to: agent)
            #expect(stand.directory.snapshot.asked == [web, web, other])
        }
    }

    @Test func `the cluster is told of ready endpoints, once for each change`() async throws {
        let stand = try ClusterStand()
        let ports = [NamedPort(name: "http", protocol: .tcp, port: 80)]
        try await stand.run { agent in
            try await eventually("a beginning without endpoints") { stand.directory.snapshot.endpoints == [[]] }
            await agent.apply([.pod("a", labels: ["app": "web"], ports: ports)])
            let reply = try await agent.allocate(TestNode.request("a"))
            await agent.apply([.pod("b", labels: ["app": "b"])])
            try await agent.attach(TestNode.key("a"), ifindex: stand.node.host.addLink(reply.hostInterface))
            let told = ClusterEndpoint(
                addresses: [reply.ipv4, reply.ipv6].compactMap(\.self), identity: 1_000, namedPorts: ports,
                namespace: "default", podName: "a")
            try await eventually("the endpoint") { stand.directory.snapshot.endpoints == [[], [told]] }
            await agent.apply([.pod("c"), .allow(from: "x", to: "y")])
            try await agent.delete(TestNode.key("a"))
            try await eventually("its end") { stand.directory.snapshot.endpoints == [[], [told], []] }
        }
    }

    @Test func `policies are told as in force, and why not while the kernel refuses them`() async throws {
        let stand = try ClusterStand()
        let node = stand.node
        let first = ObjectReference(kind: "NetworkPolicy", namespace: "default", name: "first")
        let second = ObjectReference(kind: "NetworkPolicy", namespace: "default", name: "second")
        func states() -> [String] {
            stand.directory.snapshot.states.map { reference, state in
                switch state {
                case .enforced: "\(reference.name): enforced"
                case .invalid: "\(reference.name): invalid"
                case .notEnforced(let why): "\(reference.name): \(why.contains("map-policy-rows") ? "full" : why)"
                }
            }
        }
        let objects =
            ClusterStand.objects + [.allow(from: "a", to: "b", name: "first"), .pod("b", labels: ["app": "b"])]
        try await stand.run(objects) { agent in
            try await eventually("the first") { states() == ["first: enforced"] }
            try await node.addPod("b", to: agent)
            node.advance(seconds: 10)
            node.kernel.fail(.apply, times: -1)
            node.kernel.fail(.make, times: -1)
            await agent.apply([.allow(from: "c", to: "b", name: "second")])
            try await eventually("the refusal") { states() == ["first: enforced", "second: full"] }
            await agent.retry()
            node.advance(seconds: 10)
            await agent.retry()
            node.kernel.fail(.apply, times: 0)
            node.kernel.fail(.make, times: 0)
            node.advance(seconds: 10)
            await agent.retry()
            try await eventually("the recovery") {
                states() == ["first: enforced", "second: full", "second: enforced"]
            }
            await agent.apply([.networkPolicy(first, nil), .networkPolicy(second, nil)])
            await agent.apply([.allow(from: "z", to: "b", name: "first")])
            try await eventually("another version") { states().count == 4 }
            #expect(states().last == "first: enforced")
        }
    }

    @Test func `without a cluster nobody is asked or told`() async throws {
        let stand = try ClusterStand()
        let agent = try await stand.node.startAgent()
        try await stand.node.addPod("a", to: agent, labels: ["app": "web"])
        await agent.apply([.allow(from: "a", to: "b")])
        #expect(await agent.takeNews().isEmpty)
    }
}

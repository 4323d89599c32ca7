// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Model
import NetTypes
import PolicyEngine
import Testing

struct AgentPolicyTests {
    /// Whether the tables that the kernel holds let a connection between two addresses pass.
    private func allowed(_ node: TestNode, _ from: IPAddress?, _ to: IPAddress?, port: UInt16 = 80) throws -> Bool {
        let source = try #require(from)
        let destination = try #require(to)
        return interpret(
            node.kernel.snapshot.tables, from: source, to: destination, protocol: .tcp, port: port
        ).isAllowed
    }

    @Test func `labels of the runtime hold until a manifest says others`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent([.allow(from: "web", to: "db")])
        let web = try await node.addPod("web-1", to: agent, labels: ["app": "web"])
        let database = try await node.addPod("db-1", to: agent, labels: ["app": "db"])
        let other = try await node.addPod("other", to: agent)
        #expect(try allowed(node, web.ipv4, database.ipv4))
        #expect(try !allowed(node, other.ipv4, database.ipv4))

        await agent.apply([.pod("web-1", labels: ["app": "other"]), .pod("other", labels: ["app": "web"])])
        #expect(try !allowed(node, web.ipv4, database.ipv4), "relabelled while it lives")
        #expect(try allowed(node, other.ipv6, database.ipv6))
        #expect(await agent.endpoint(TestNode.key("web-1"))?.labels == ["app": "other"])

        let reference = ObjectReference(kind: "Pod", namespace: "default", name: "web-1")
        await agent.apply([.pod(reference, nil)])
        #expect(try allowed(node, web.ipv4, database.ipv4), "without the manifest the runtime's labels hold again")
    }

    @Test func `pods of the manifests that are not here are peers by their addresses`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent([
            .allow(from: "web", to: "db"), .pod("far", labels: ["app": "web"], addresses: ["10.9.0.1"]),
            .pod("infra", labels: ["app": "web"], addresses: ["10.9.0.2"], hostNetwork: true),
        ])
        let database = try await node.addPod("db-1", to: agent, labels: ["app": "db"])
        #expect(try allowed(node, IPAddress("10.9.0.1"), database.ipv4))
        #expect(try !allowed(node, IPAddress("10.9.0.2"), database.ipv4), "a pod in its node's network is no peer")
        await agent.apply([.pod("far", labels: ["app": "web"], addresses: ["10.9.0.3"])])
        #expect(try !allowed(node, IPAddress("10.9.0.1"), database.ipv4))
        #expect(try allowed(node, IPAddress("10.9.0.3"), database.ipv4))
    }

    @Test func `labels of a namespace count for pods that are here already`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent([
            .policy(
                NetworkPolicy(
                    namespace: "default", name: "team", podSelector: LabelSelector(matchLabels: ["app": "db"]),
                    ingress: [
                        .init(from: [.init(namespaceSelector: LabelSelector(matchLabels: ["team": "blue"]))])
                    ]))
        ])
        let web = try await node.addPod("web-1", to: agent)
        let database = try await node.addPod("db-1", to: agent, labels: ["app": "db"])
        #expect(try !allowed(node, web.ipv4, database.ipv4))
        await agent.apply([.namespace("default", Namespace(name: "default", labels: ["team": "blue"]))])
        #expect(try allowed(node, web.ipv4, database.ipv4))
        await agent.apply([.namespace("default", nil)])
        #expect(try !allowed(node, web.ipv4, database.ipv4))
    }

    @Test func `the node and its gateways are the host, as they come and go`() async throws {
        let node = try TestNode()
        let uplink = try #require(IPAddress("192.0.2.1"))
        node.host.update { $0.addresses = [uplink] }
        let agent = try await node.startAgent()
        let gateways = ["169.254.1.1", "fe80::1"].compactMap { IPAddress($0) }
        for address in gateways + [uplink] {
            #expect(node.kernel.snapshot.tables.peers[address]?.isHost == true, "\(address)")
        }
        let moved = try #require(IPAddress("192.0.2.2"))
        node.host.update { $0.addresses = [moved] }
        await agent.hostChanged([.addresses])
        #expect(node.kernel.snapshot.tables.peers[uplink] == nil)
        #expect(node.kernel.snapshot.tables.peers[moved]?.isHost == true)
    }

    @Test func `changed routes make flows be judged again, once for many changes`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        node.kernel.forgetCalls()
        await agent.hostChanged([.routes, .addresses])
        #expect(node.kernel.calls == [.judgeAgain])
    }

    @Test func `what does not fit is retried, and until then the last policy stays`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent([.allow(from: "web", to: "db")])
        let web = try await node.addPod("web-1", to: agent, labels: ["app": "web"])
        let database = try await node.addPod("db-1", to: agent, labels: ["app": "db"])
        node.advance(seconds: 10)
        node.kernel.fail(.apply, times: -1)
        node.kernel.fail(.make, times: -1)
        await agent.apply([.allow(from: "nobody", to: "db")])
        #expect(try allowed(node, web.ipv4, database.ipv4), "what was enforced still is")

        let problem = try #require(await agent.problems().first)
        #expect(problem.contains("map-policy-rows"))
        let status = try await agent.status()
        #expect(!status.ready)
        #expect(status.notReady.contains(problem))
        let early = try await agent.explain(from: "default/web-1", to: "default/db-1", port: "80")
        #expect(!early.allowed)
        #expect(early.notInForce == problem, "what is explained is not what the kernel does")
        let error = await #expect(throws: APIError.self) { try await agent.allocate(TestNode.request("late")) }
        #expect(error?.code == APIError.Code.notReady)

        node.kernel.fail(.apply, times: 0)
        node.kernel.fail(.make, times: 0)
        node.advance(seconds: 10)
        await agent.retry()
        #expect(await agent.problems().isEmpty)
        #expect(try !allowed(node, web.ipv4, database.ipv4), "now the new one holds")
        let settled = try await agent.explain(from: "default/web-1", to: "default/db-1", port: "80")
        #expect(settled.notInForce == nil)
        #expect(node.kernel.snapshot.attached.count == 2)
        _ = try await agent.allocate(TestNode.request("late"))
    }

    @Test func `a DEL that makes room brings the kernel up to date`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent([.allow(from: "web", to: "db")])
        _ = try await node.addPod("web-1", to: agent, labels: ["app": "web"])
        _ = try await node.addPod("db-1", to: agent, labels: ["app": "db"])
        node.kernel.fail(.apply, times: -1)
        node.kernel.fail(.make, times: -1)
        await agent.apply([.allow(from: "nobody", to: "db")])
        #expect(await !agent.problems().isEmpty)
        node.kernel.fail(.apply, times: 0)
        node.kernel.fail(.make, times: 0)
        node.advance(seconds: 10)
        try await agent.delete(TestNode.key("web-1"))
        #expect(await agent.problems().isEmpty)
        #expect(node.kernel.snapshot.attached.count == 1)
    }

    @Test func `an ADD fails closed while the kernel is behind`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let reserved = try await agent.allocate(TestNode.request("a"))
        node.kernel.fail(.apply, times: -1)
        await agent.apply([.allow(from: "x", to: "y"), .pod("far", labels: ["app": "x"], addresses: ["10.9.9.9"])])
        let ifindex = node.host.addLink(reserved.hostInterface)
        let error = await #expect(throws: APIError.self) {
            try await agent.attach(TestNode.key("a"), ifindex: ifindex)
        }
        #expect(error?.code == APIError.Code.notReady)
        #expect(node.kernel.snapshot.attached.isEmpty)
    }

    @Test func `maps that get full are told, at two levels`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        func fill(_ pressure: Double, _ type: String = "hash") {
            node.kernel.update {
                $0.maps = [
                    MapStatus(
                        name: "pods", type: type, entries: 1, maxEntries: 100, keySize: 0, valueSize: 0,
                        pressure: pressure, setting: "--map-pods")
                ]
            }
        }
        fill(0.79)
        await agent.checkMaps()
        #expect(try await agent.status().notReady.isEmpty)
        fill(0.80)
        await agent.checkMaps()
        #expect(
            try await agent.status().notReady == ["map pods is more than 80 % full (made for 100); raise --map-pods"])
        #expect(try await agent.status().ready, "a warning is no reason to refuse work")
        fill(0.96)
        await agent.checkMaps()
        #expect(try await agent.status().notReady.first?.contains("95 %") == true)
        fill(0.99, "lru_hash")
        await agent.checkMaps()
        #expect(try await agent.status().notReady.isEmpty, "a table that evicts may be full")
    }

    @Test func `a policy shows its rules in words, with their hits`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent([.allow(from: "web", to: "db")])
        let reply = try await node.addPod("db-1", to: agent, labels: ["app": "db"])
        let policies = try await agent.policies()
        let policy = try #require(policies.first)
        #expect(policies.count == 1)
        #expect(policy.subject == "pods app=db in default")
        #expect(policy.directions == [.ingress])
        #expect(policy.endpoints == [reply.endpoint])
        let rule = try #require(policy.rules.first)
        #expect(rule.peers == "pods app=web in default")
        #expect(rule.ports == "all ports")
        #expect(rule.action == "allow")
        #expect(rule.hits > 0)
    }

    @Test func `policies of Skein's kind and of the cluster are enforced, listed and explained`() async throws {
        let node = try TestNode()
        let web = LabelSelector(matchLabels: ["app": "web"])
        let skein = SkeinNetworkPolicy(
            namespace: "default", name: "db",
            spec: .init(
                endpointSelector: LabelSelector(matchLabels: ["app": "db"]), ingress: [.init(endpoints: [web])],
                ingressDeny: [.init(toPorts: [[.init(port: "81")]])]),
            specs: [
                .init(
                    endpointSelector: web, egressDeny: [.init(cidrs: ["192.0.2.0/24"])],
                    enableDefaultDeny: .init(egress: false))
            ])
        let agent = try await node.startAgent([.skeinNetworkPolicy(skein.reference, skein)])
        let client = try await node.addPod("web-1", to: agent, labels: ["app": "web"])
        let other = try await node.addPod("other", to: agent)
        let database = try await node.addPod("db-1", to: agent, labels: ["app": "db"])
        #expect(try allowed(node, client.ipv4, database.ipv4))
        #expect(try !allowed(node, other.ipv4, database.ipv4))
        #expect(try !allowed(node, client.ipv4, database.ipv4, port: 81))
        #expect(try !allowed(node, client.ipv4, IPAddress("192.0.2.1")))
        #expect(try allowed(node, client.ipv4, IPAddress("192.0.3.1")))
        let listed = try await agent.policies().map { "\($0.kind) \($0.namespace)/\($0.name): \($0.subject)" }
        #expect(
            listed == [
                "SkeinNetworkPolicy default/db: pods app=db in default",
                "SkeinNetworkPolicy default/db: pods app=web in default",
            ])
        let answer = try await agent.explain(from: "default/web-1", to: "default/db-1", port: "81/tcp")
        #expect(!answer.allowed)
        #expect(answer.steps.compactMap(\.rule).contains("SkeinNetworkPolicy default/db ingressDeny rule 1"))

        let cluster = ClusterNetworkPolicy(
            name: "allow", tier: .admin, priority: 1, subject: .init(namespaceSelector: LabelSelector()),
            ingress: [.init(action: .accept, peers: [.pods(.init(namespaceSelector: LabelSelector()))])],
            egress: [.init(action: .accept, peers: [.pods(.init(namespaceSelector: LabelSelector()))])])
        await agent.apply([.clusterNetworkPolicy(cluster.reference, cluster)])
        #expect(try allowed(node, other.ipv4, database.ipv4), "the administrator's word comes first")
        await agent.apply([
            .clusterNetworkPolicy(cluster.reference, nil), .skeinNetworkPolicy(skein.reference, nil),
        ])
        #expect(try allowed(node, other.ipv4, database.ipv4, port: 81))
        #expect(try await agent.policies().isEmpty)
    }

    @Test func `identities have their labels, addresses and endpoints`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent([.pod("far", labels: ["app": "web"], addresses: ["10.9.0.1"])])
        let reply = try await node.addPod("near", to: agent, labels: ["app": "web"])
        let identities = await agent.identities()
        #expect(identities.contains { $0.number == 1 && $0.name == "host" })
        let web = try #require(identities.first { $0.podLabels == ["app": "web"] })
        #expect(web.number >= 256)
        #expect(web.namespace == "default")
        #expect(web.endpoints == [reply.endpoint])
        #expect(await agent.endpoints().first?.identity == web.number)
    }
}

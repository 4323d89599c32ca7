// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Model
import NetTypes
import PolicyEngine
import Testing

@testable import AgentCore

/// Other nodes, their pods and the API servers.
struct ClusterPeerTests {
    private let web = ClusterStand.labels(["app": "web"])
    private let objects: [ResourceChange] =
        ClusterStand.objects + [
            .node("node-2", addresses: ["192.0.2.2"], ranges: ["10.2.0.0/24"]), .allow(from: "web", to: "db"),
            .pod("db", labels: ["app": "db"]),
        ]

    private func allowed(_ stand: ClusterStand, _ from: String, _ to: IPAddress?) throws -> Bool {
        interpret(
            stand.node.kernel.snapshot.tables, from: try #require(IPAddress(from)), to: try #require(to),
            protocol: .tcp, port: 80
        ).isAllowed
    }

    @Test func `a pod of another node has the labels of its number, whichever comes first`() async throws {
        let stand = try ClusterStand()
        try await stand.run(objects) { agent in
            let database = try await stand.node.addPod("db", to: agent)
            await agent.apply([.slice("node-2", [("10.2.0.1", 800), ("10.2.0.2", 801)])])
            #expect(stand.identity(at: IPAddress("10.2.0.1")) == 800)
            #expect(try !allowed(stand, "10.2.0.1", database.ipv4), "nobody has said what 800 is")
            await agent.apply([.identity(800, web)])
            #expect(try allowed(stand, "10.2.0.1", database.ipv4))
            #expect(try !allowed(stand, "10.2.0.2", database.ipv4))
            await agent.apply([.slice("node-2", [("10.2.0.2", 800)])])
            #expect(stand.identity(at: IPAddress("10.2.0.1")) == nil)
            #expect(try allowed(stand, "10.2.0.2", database.ipv4))
            await agent.apply([.endpointSlice("node-2-0", nil)])
            #expect(try !allowed(stand, "10.2.0.2", database.ipv4))
        }
    }

    @Test func `a slice is believed in the ranges of its node only, and as they are now`() async throws {
        let stand = try ClusterStand()
        try await stand.run(objects) { agent in
            let mine = try await stand.node.addPod("db", to: agent)
            let address = try #require(mine.ipv4).description
            let claimed = ["10.2.0.1", "10.3.0.1", address, "10.1.0.200", "192.0.2.2"]
            await agent.apply([.slice("node-2", claimed.map { ($0, 800) })])
            #expect(stand.identity(at: IPAddress("10.2.0.1")) == 800)
            #expect(stand.identity(at: IPAddress("10.3.0.1")) == nil)
            #expect(stand.identity(at: mine.ipv4) == 1_000, "this node's pod")
            #expect(stand.identity(at: IPAddress("10.1.0.200")) == nil, "this node's range")
            #expect(stand.identity(at: IPAddress("192.0.2.2")) == ReservedIdentity.remoteNode.rawValue)
            await agent.apply([.node("node-2", addresses: ["192.0.2.2"], ranges: ["10.3.0.0/24"])])
            #expect(stand.identity(at: IPAddress("10.2.0.1")) == nil)
            #expect(stand.identity(at: IPAddress("10.3.0.1")) == 800)
            await agent.apply([.node("node-3", ranges: ["10.3.0.0/16"])])
            #expect(stand.identity(at: IPAddress("10.3.0.1")) == nil, "two nodes have it")
            await agent.apply([.goneNode("node-3")])
            #expect(stand.identity(at: IPAddress("10.3.0.1")) == 800)
            await agent.apply([.goneNode("node-2")])
            #expect(stand.identity(at: IPAddress("10.3.0.1")) == nil)
            let info = try await agent.status().cluster
            #expect(info?.wrongClaims.isEmpty == false)
        }
    }

    @Test func `what this node told of itself before is not listened to`() async throws {
        let stand = try ClusterStand()
        try await stand.run(objects) { agent in
            await agent.apply([.slice("node-1", [("10.1.0.77", 800)])])
            #expect(stand.identity(at: IPAddress("10.1.0.77")) == nil)
            let info = try await agent.status().cluster
            #expect(info?.remoteAddresses == 0)
        }
    }

    @Test func `nodes and API servers are what they are, and both`() async throws {
        let stand = try ClusterStand()
        let uplink = try #require(IPAddress("192.0.2.1"))
        stand.node.host.update { $0.addresses = [uplink] }
        let objects: [ResourceChange] = [
            .node("node-1", addresses: ["192.0.2.1", "198.51.100.1"], ranges: ["10.1.0.0/24"]),
            .node("node-2", addresses: ["192.0.2.2", "2001:db8::2"]), .node("node-3", addresses: ["192.0.2.3"]),
            .apiServers(Set(["192.0.2.1", "192.0.2.3", "203.0.113.1"].compactMap { IPAddress($0) })),
        ]
        try await stand.run(objects) { agent in
            let peers = stand.node.kernel.snapshot.tables.peers
            func peer(_ text: String) -> PeerEntry? { IPAddress(text).flatMap { peers[$0] } }
            for text in ["192.0.2.1", "198.51.100.1"] { #expect(peer(text)?.isHost == true, "\(text)") }
            for text in ["192.0.2.2", "2001:db8::2", "192.0.2.3"] {
                #expect(peer(text)?.isRemoteNode == true, "\(text)")
            }
            let server = ReservedIdentity.kubeAPIServer.rawValue
            #expect(peer("192.0.2.2")?.identity == ReservedIdentity.remoteNode.rawValue)
            #expect(peer("192.0.2.3")?.identity == server)
            #expect(peer("203.0.113.1")?.identity == server)
            #expect(peer("203.0.113.1")?.isRemoteNode == false)
            let identities = await agent.identities()
            #expect(identities.contains { $0.number == 6 && $0.addresses == 3 })
            await agent.apply([.apiServers([]), .goneNode("node-2")])
            #expect(stand.identity(at: IPAddress("192.0.2.2")) == nil)
            #expect(stand.identity(at: IPAddress("203.0.113.1")) == nil)
            #expect(stand.identity(at: IPAddress("192.0.2.3")) == ReservedIdentity.remoteNode.rawValue)
        }
    }

    @Test func `the cluster is told how the node is, and how many addresses it has left`() async throws {
        let stand = try ClusterStand()
        let pods = (1...3).map { ResourceChange.pod("web-\($0)", labels: ["app": "web"]) }
        try await stand.run(objects + pods) { agent in
            func told() async throws -> NodeState {
                await agent.tellNode()
                // What is told later comes after it.
                let mark = stand.directory.snapshot.states.count
                await agent.apply([.allow(from: "nobody", to: "nobody", name: "mark-\(mark)")])
                try await eventually("the mark") { stand.directory.snapshot.states.count > mark }
                return try #require(stand.directory.snapshot.nodes.last)
            }
            let all = try await told()
            #expect(all.problem == nil)
            let free = try #require(all.addresses?.available)
            #expect(all.addresses?.used == 0)
            // Of plenty not every one is told.
            for number in 1...3 {
                _ = try await stand.node.addPod("web-\(number)", to: agent)
                #expect(try await told().addresses == .init(used: 16, available: free - 16))
            }
            #expect(stand.directory.snapshot.nodes.count == 2)
            await agent.announced(problem: "the runtime is away")
            #expect(try await told().problem == "the runtime is away")
        }
        #expect(NodeState.Addresses(used: 200, available: 54).coarse == .init(used: 200, available: 54))
    }

    @Test func `addresses of services are nobody's else`() async throws {
        let stand = try ClusterStand()
        func service(_ name: String, _ addresses: [String]?) -> ResourceChange {
            .service(
                ObjectReference(kind: "Service", namespace: "default", name: name),
                addresses.map { Set($0.compactMap { IPAddress($0) }) })
        }
        try await stand.run(objects) { agent in
            func isService(_ text: String) -> Bool? {
                IPAddress(text).flatMap { stand.node.kernel.snapshot.tables.peers[$0] }?.isService
            }
            await agent.apply([
                .slice("node-2", [("10.2.0.1", 800)]), .identity(800, web),
                service("web", ["10.96.0.1", "198.51.100.7", "10.2.0.1", "192.0.2.2"]), service("db", ["198.51.100.7"]),
            ])
            #expect(isService("10.96.0.1") == true && isService("198.51.100.7") == true)
            // Whoever may make services takes no pod's or node's address with that.
            #expect(isService("10.2.0.1") == false && isService("192.0.2.2") == false)
            await agent.apply([service("web", nil)])
            #expect(isService("10.96.0.1") == nil && isService("198.51.100.7") == true)
            #expect(stand.identity(at: IPAddress("10.2.0.1")) == 800)
            await agent.apply([service("db", ["10.96.0.2"])])
            #expect(isService("198.51.100.7") == nil && isService("10.96.0.2") == true)
        }
    }

    @Test func `rules about nodes and API servers hold`() async throws {
        let stand = try ClusterStand()
        let policy = SkeinNetworkPolicy(
            namespace: "default", name: "db",
            spec: .init(
                endpointSelector: LabelSelector(matchLabels: ["app": "db"]),
                ingress: [.init(entities: ["kube-apiserver"])]))
        try await stand.run(objects + [.skeinNetworkPolicy(policy.reference, policy)]) { agent in
            let database = try await stand.node.addPod("db", to: agent)
            #expect(try !allowed(stand, "192.0.2.2", database.ipv4))
            #expect(try !allowed(stand, "203.0.113.1", database.ipv4))
            await agent.apply([.apiServers(Set(["192.0.2.2", "203.0.113.1"].compactMap { IPAddress($0) }))])
            #expect(try allowed(stand, "192.0.2.2", database.ipv4))
            #expect(try allowed(stand, "203.0.113.1", database.ipv4))
        }
    }

    @Test func `addresses that a pod's object names are nobody's here`() async throws {
        let stand = try ClusterStand()
        try await stand.run(objects) { agent in
            await agent.apply([.pod("x", labels: ["app": "web"], addresses: ["10.1.0.99", "192.0.2.99"])])
            #expect(stand.identity(at: IPAddress("10.1.0.99")) == nil)
            #expect(stand.identity(at: IPAddress("192.0.2.99")) == nil)
        }
    }

    @Test func `a kernel that is filled anew has all of it`() async throws {
        let stand = try ClusterStand()
        stand.node.advance(seconds: 10)
        let more: [ResourceChange] = [
            .slice("node-2", [("10.2.0.1", 800)]), .identity(800, web),
            .apiServers(Set([IPAddress("203.0.113.1")].compactMap(\.self))),
        ]
        try await stand.run(objects + more) { agent in
            let database = try await stand.node.addPod("db", to: agent)
            let before = stand.node.kernel.snapshot.tables.peers.mapValues(\.identity)
            stand.node.advance(seconds: 10)
            await agent.rebuild()
            let kernel = stand.node.kernel.snapshot
            #expect(kernel.sets.count == 2)
            #expect(kernel.tables.peers.mapValues(\.identity) == before)
            #expect(before.count >= 7)
            #expect(try allowed(stand, "10.2.0.1", database.ipv4))
        }
    }

    @Test func `pods of other nodes have names, in explanations too`() async throws {
        let stand = try ClusterStand()
        try await stand.run(objects + [.slice("node-2", [("10.2.0.1", 800)]), .identity(800, web)]) { agent in
            try await stand.node.addPod("db", to: agent)
            let answer = try await agent.explain(from: "default/pod-10.2.0.1", to: "default/db", port: "80/tcp")
            #expect(answer.allowed)
            #expect(answer.from.labels == ["app": "web"])
            let node = try await agent.explain(from: "192.0.2.2", to: "default/db", port: "80/tcp")
            #expect(!node.allowed)
            #expect(node.from.identity == ReservedIdentity.remoteNode.rawValue)
        }
    }

    @Test func `the status says what the node knows of its cluster`() async throws {
        let stand = try ClusterStand()
        var reports = SourceReports()
        reports.cluster = {
            let broken = ObjectReference(kind: "SkeinNetworkPolicy", namespace: "default", name: "x")
            return ClusterReport(
                server: "https://192.0.2.9", awaySince: 77, problem: "no route",
                refused: [.init(object: broken, message: "spec.ingres: unknown field")])
        }
        let more: [ResourceChange] = [.slice("node-2", [("10.2.0.1", 800)]), .identity(800, web)]
        try await stand.run(objects + more, reports: reports) { agent in
            let status = try await agent.status()
            #expect(status.manifests == nil)
            #expect(
                status.cluster
                    == ClusterInfo(
                        node: "node-1", server: "https://192.0.2.9", awaySince: 77, problem: "no route",
                        podRanges: ["10.1.0.0/24", "fd00:1::/64"].compactMap { Prefix($0) }, nodes: 2, identities: 1,
                        remoteAddresses: 1))
            #expect(status.manifestErrors.map(\.object) == ["SkeinNetworkPolicy default/x"])
            #expect(status.manifestErrors.map(\.message) == ["spec.ingres: unknown field"])
        }
    }
}

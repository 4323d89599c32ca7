// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import NetTypes
import Testing

@testable import ClusterSync

@Suite struct CacheTests {
    private func settings(_ folder: TemporaryFolder, node: String = "node-1") -> ClusterSettings {
        var settings = ClusterSettings.test(node: node, cache: "\(folder.path)/cluster")
        settings.patience = .milliseconds(50)
        return settings
    }

    private func fill(_ stand: Stand) throws {
        try stand.putNode()
        try stand.putNamespace("default", labels: #"{"quote":"a\"b\\c"}"#)
        try stand.putPod("web", ip: "10.0.1.5")
        try stand.putSkeinNode("node-2", addresses: #"["192.0.2.2"]"#, podCIDRs: #"["10.0.2.0/24","fd00:2::/64"]"#)
        try stand.putIdentity(300, labels("web"))
        try stand.putSlice("node-2-0", node: "node-2", ["10.0.2.7", "fd00:2::7"])
        try stand.putPolicy(.networkPolicies, "np", Specs.denyAll)
        try stand.putPolicy(.skeinPolicies, "snp", Specs.skein)
        try stand.putPolicy(.skeinClusterPolicies, "scnp", Specs.skein)
        try stand.putPolicy(.clusterPolicies, "cnp", Specs.cluster)
        try stand.putAPIServers(["192.0.2.250"])
        try stand.putService("web", spec: #"{"clusterIP":"10.96.0.1"}"#)
        stand.serve("policy.networking.k8s.io/v1alpha2", ["clusternetworkpolicies"])
    }

    /// An agent's life with an API server, which fills the cache at its end.
    private func liveOnce(_ settings: ClusterSettings, _ stand: Stand, _ server: FakeServer) async throws
        -> World.Content
    {
        var patient = settings
        patient.patience = .seconds(3_600)
        var content: World.Content?
        try await Stand.withAgent(patient, on: server) { _, world in
            try await eventually("it told") { world.now.policies.count == 4 && world.now.nodes.count == 2 }
            content = world.now
        }
        return try #require(content)
    }

    @Test func `a start without an API server is one with what was known last`() async throws {
        try await withTemporaryFolder { folder in
            try await Stand.with { stand, server in
                try fill(stand)
                let before = try await liveOnce(settings(folder), stand, server)
                stand.goDown()
                try await Stand.withAgent(settings(folder), on: server) { connection, world in
                    try await eventually("it told") { !world.now.batches.isEmpty }
                    let now = world.now
                    #expect(now.batches.count == 1)
                    #expect(now.namespaces == before.namespaces && now.pods == before.pods)
                    #expect(now.nodes == before.nodes && now.identities == before.identities)
                    #expect(now.slices == before.slices && now.policies == before.policies)
                    #expect(now.apiServers == before.apiServers)
                    #expect(now.services == before.services && now.services.count == 1)
                    #expect(connection.source.missing.count == ClusterKind.allCases.count)
                    // New pods of known identities start.
                    #expect(try await connection.directory.identity(of: labels("web")) == 300)

                    // What happened meanwhile is told when the API server is back.
                    stand.cluster.remove("\(Stand.slices)/node-2-0")
                    stand.cluster.remove(try stand.policyPath(.networkPolicies, "np"))
                    try stand.putIdentity(301, labels("db"))
                    try stand.putPolicy(.skeinPolicies, "snp", Specs.skeinBad, generation: 2)
                    stand.comeBack()
                    try await eventually("it is told") {
                        let now = world.now
                        return now.slices.isEmpty && now.policies.count == 3 && now.identities.count == 2
                    }
                    try await eventually("all is told") { connection.source.missing.isEmpty }
                    // As in a life that was not interrupted.
                    #expect(world.now.policies.keys.contains { $0.name == "snp" })
                    #expect(connection.source.errors.count == 1)
                    #expect(world.now.namespaces == before.namespaces)
                }
            }
        }
    }

    @Test
    func `a policy that became invalid stays as it was across restarts, and an agent that never had it has nothing`()
        async throws
    {
        try await withTemporaryFolder { folder in
            try await Stand.with { stand, server in
                try fill(stand)
                let before = try await liveOnce(settings(folder), stand, server)
                try stand.putPolicy(.networkPolicies, "np", Specs.badPort, generation: 2)
                try stand.putPolicy(.skeinPolicies, "snp", Specs.skeinBad, uid: "another", generation: 1)
                for _ in 0..<2 {
                    try await Stand.withAgent(settings(folder), on: server) { connection, world in
                        try await eventually("it told") {
                            connection.source.missing.isEmpty && !world.now.batches.isEmpty
                        }
                        let kept = world.now.policies.filter { $0.key.name == "np" }
                        #expect(kept == before.policies.filter { $0.key.name == "np" } && kept.count == 1)
                        #expect(!world.now.policies.keys.contains { $0.name == "snp" })
                        #expect(connection.source.errors.count == 2)
                    }
                }
                try await Stand.withAgent(on: server) { connection, world in
                    try await eventually("it told") { !world.now.batches.isEmpty }
                    #expect(world.now.policies.keys.map(\.name).sorted() == ["cnp", "scnp"])
                }
            }
        }
    }

    @Test(arguments: ["nothing", "another node's", "broken"])
    func `without a cache that is good a start waits`(what: String) async throws {
        try await withTemporaryFolder { folder in
            try await Stand.with { stand, server in
                try fill(stand)
                if what != "nothing" { _ = try await liveOnce(settings(folder), stand, server) }
                if what == "broken" { try folder.write("cluster/complete", "skein clu") }
                stand.goDown()
                let node = what == "another node's" ? "node-7" : "node-1"
                try await Stand.withAgent(settings(folder, node: node), on: server) { connection, world in
                    // Well past its patience.
                    try await eventually("it tries") { server.requests.count { $0.path == "/api/v1/namespaces" } > 20 }
                    try await Task.sleep(for: .milliseconds(100))
                    #expect(world.now.batches.isEmpty)
                    stand.comeBack()
                    try await eventually("it told") { !world.now.batches.isEmpty }
                }
            }
        }
    }

    @Test func `lines that are broken are as if they were not there`() async throws {
        try await withTemporaryFolder { folder in
            try await Stand.with { stand, server in
                try fill(stand)
                let before = try await liveOnce(settings(folder), stand, server)
                let good = try #require(folder.read("cluster/identities.jsonl"))
                try folder.write(
                    "cluster/identities.jsonl", "{\n" + String(decoding: good, as: UTF8.self) + "{\"number\":")
                try folder.remove("cluster/nodes.jsonl")
                stand.goDown()
                try await Stand.withAgent(settings(folder), on: server) { _, world in
                    try await eventually("it told") { !world.now.batches.isEmpty }
                    #expect(world.now.identities == before.identities && world.now.nodes.isEmpty)
                }
            }
        }
    }

    @Test func `it is written now and then, and only what has changed`() async throws {
        try await withTemporaryFolder { folder in
            var settings = settings(folder)
            settings.cacheInterval = .milliseconds(30)
            try await Stand.withAgent(settings, prepare: fill) { stand, _, _, _ in
                try await eventually("it is written") { folder.read("cluster/identities.jsonl")?.isEmpty == false }
                try folder.write("cluster/identities.jsonl", "mine")
                try stand.putNamespace("more")
                try await eventually("the change is written") {
                    folder.read("cluster/namespaces.jsonl").map { String(decoding: $0, as: UTF8.self).contains("more") }
                        ?? false
                }
                #expect(folder.read("cluster/identities.jsonl").map { String(decoding: $0, as: UTF8.self) } == "mine")
            }
        }
    }
}

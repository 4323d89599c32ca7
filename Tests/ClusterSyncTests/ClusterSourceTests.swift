// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import NetTypes
import Testing

@testable import ClusterSync

@Suite struct ClusterSourceTests {
    private func fill(_ stand: Stand) throws {
        try stand.putNamespace("default", labels: #"{"team":"a"}"#)
        try stand.putPod("web", ip: "10.0.1.5")
        try stand.putPod("elsewhere", node: "node-2")
        try stand.putSkeinNode("node-2", addresses: #"["192.0.2.2"]"#, podCIDRs: #"["10.0.2.0/24","fd00:2::/64"]"#)
        try stand.putIdentity(300, labels("web"))
        try stand.putSlice("node-2-0", node: "node-2", ["10.0.2.7"])
        try stand.putPolicy(.networkPolicies, "np", Specs.allowAll)
        try stand.putPolicy(.skeinPolicies, "snp", Specs.skein)
        try stand.putPolicy(.skeinClusterPolicies, "scnp", Specs.skein)
        try stand.putAPIServers(["192.0.2.250", "192.0.2.251"])
        try stand.putAPIServers(["2001:db8::1"], slice: "kubernetes-6")
        try stand.putService("headless", spec: #"{"clusterIP":"None","clusterIPs":["None"]}"#)
        try stand.putService(
            "web",
            spec: #"{"clusterIP":"10.96.0.1","clusterIPs":["10.96.0.1","fd96::1"],"externalIPs":["198.51.100.7"]}"#,
            ingress: #"[{"ip":"198.51.100.8"},{"hostname":"lb"},{"ip":"198.51.100.9","ipMode":"Proxy"}]"#)
    }

    @Test func `the first batch is all there is, of every kind`() async throws {
        try await Stand.withAgent(prepare: fill) { _, _, _, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            let now = world.now
            #expect(now.namespaces["default"]?.labels["team"] == "a")
            #expect(now.pods.keys.sorted() == ["default/web"])
            #expect(now.pods["default/web"]?.addresses == [IPAddress("10.0.1.5")].compactMap { $0 })
            #expect(now.nodes["node-2"]?.podRanges == [Prefix("10.0.2.0/24"), Prefix("fd00:2::/64")].compactMap { $0 })
            #expect(now.identities == [300: labels("web")])
            let expected = try endpoint("10.0.2.7", "p-10.0.2.7")
            #expect(now.slices["node-2-0"]?.endpoints == [expected])
            #expect(
                now.policies.keys.map(\.kind).sorted() == [
                    "NetworkPolicy", "SkeinClusterNetworkPolicy", "SkeinNetworkPolicy",
                ])
            #expect(now.apiServers == Set(["192.0.2.250", "192.0.2.251", "2001:db8::1"].compactMap { IPAddress($0) }))
            let addresses = ["10.96.0.1", "fd96::1", "198.51.100.7", "198.51.100.8"].compactMap { IPAddress($0) }
            #expect(now.services == ["default/web": Set(addresses)])
        }
    }

    @Test(arguments: [
        "/api/v1/namespaces", "/api/v1/pods", "/api/v1/services", "/apis/skein.dev/v1/skeinnodes",
        "/apis/skein.dev/v1/skeinidentities",
        "/apis/skein.dev/v1/skeinendpointslices", "/apis/networking.k8s.io/v1/networkpolicies",
        "/apis/skein.dev/v1/skeinnetworkpolicies", "/apis/skein.dev/v1/skeinclusternetworkpolicies",
        "/apis/discovery.k8s.io/v1", "/apis/policy.networking.k8s.io/v1alpha2",
    ])
    func `nothing is told before every kind was`(path: String) async throws {
        try await Stand.with { stand, server in
            try fill(stand)
            stand.block(path)
            try await Stand.withAgent(on: server, isWriting: false) { connection, world in
                try await eventually("all others are there") { connection.source.missing.count == 1 }
                #expect(world.now.batches.isEmpty)
                stand.comeBack()
                try await eventually("it told") { !world.now.batches.isEmpty }
                #expect(connection.source.missing.isEmpty)
                #expect(world.now.policies.count == 3)
            }
        }
    }

    @Test func `nothing at all is a first batch too`() async throws {
        try await Stand.withAgent { _, _, _, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            #expect(world.now.batches.first?.isEmpty == true)
        }
    }

    @Test func `changes and removals follow, and what says the same is no change`() async throws {
        try await Stand.withAgent(prepare: fill) { stand, _, _, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            try stand.putNamespace("default", labels: #"{"team":"b"}"#)
            try stand.putPod("web", ip: "10.0.1.5", phase: "Succeeded")
            stand.cluster.remove("\(Stand.nodes)/node-2")
            stand.cluster.remove("\(Stand.identities)/300")
            stand.cluster.remove("\(Stand.slices)/node-2-0")
            stand.cluster.remove(try stand.policyPath(.networkPolicies, "np"))
            try stand.putAPIServers(["192.0.2.250"])
            try stand.putService("web", spec: #"{"clusterIP":"10.96.0.2"}"#)
            try await eventually("all is told") {
                let now = world.now
                return now.namespaces["default"]?.labels["team"] == "b" && now.pods["default/web"]?.addresses == []
                    && now.nodes.isEmpty && now.identities.isEmpty && now.slices.isEmpty && now.policies.count == 2
                    && now.apiServers.count == 2 && now.services["default/web"]?.count == 1
            }
            let count = world.now.batches.count
            try stand.putNamespace("default", labels: #"{"team":"b"}"#)
            try stand.putPolicy(.skeinPolicies, "snp", Specs.skein, generation: 2)
            try stand.putNamespace("barrier")
            try await eventually("the last is told") { world.now.namespaces["barrier"] != nil }
            #expect(world.now.batches.count == count + 1)
        }
    }

    @Test func `who is slow is told of each object once`() async throws {
        try await Stand.withAgent { stand, _, connection, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            world.open(false)
            try stand.putNamespace("first")
            for round in 0..<50 { try stand.putNamespace("default", labels: "{\"round\":\"\(round)\"}") }
            try stand.putNamespace("last")
            try await eventually("the source has all") { connection.source.knows(namespace: "last") }
            world.open(true)
            try await eventually("it told") { world.now.namespaces["last"] != nil }
            #expect(world.now.namespaces["default"]?.labels["round"] == "49")
            #expect(world.now.batches.count <= 3 + 1)
        }
    }

    @Test func `cluster policies are followed while there are any`() async throws {
        let group = "policy.networking.k8s.io/v1alpha2"
        try await Stand.withAgent { stand, server, _, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            #expect(!server.requests.contains { $0.path.hasSuffix("/clusternetworkpolicies") })
            try stand.putPolicy(.clusterPolicies, "deny", Specs.cluster)
            stand.serve(group, ["clusternetworkpolicies"])
            try await eventually("it is told") {
                world.now.policies.keys.map(\.description) == ["ClusterNetworkPolicy deny"]
            }
            stand.serve(group, nil)
            try await eventually("it is gone") { world.now.policies.isEmpty }
            stand.serve(group, ["clusternetworkpolicies"])
            try await eventually("it is told again") { world.now.policies.count == 1 }
        }
    }
}

extension ClusterSource {
    func knows(namespace: String) -> Bool { store.read { $0.namespaces.values[namespace] != nil } }
}

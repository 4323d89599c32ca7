// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import NetTypes
import Testing

@testable import ClusterSync

@Suite struct NodeTests {
    private let path = "\(Stand.nodes)/node-1"

    private func applies(_ server: FakeServer) -> [FakeRequest] {
        server.requests.filter { $0.path == path && $0.method == "PATCH" }
    }

    @Test func `the SkeinNode says where the node is, and which addresses its pods have`() async throws {
        try await Stand.withAgent(prepare: { try $0.putNode() }) { stand, server, _, world in
            try await eventually("it is there") { world.now.nodes["node-1"] != nil }
            let request = try #require(applies(server).first)
            #expect(request.query == ["fieldManager": "skein-agent", "force": "true"])
            #expect(
                request.json.text == """
                    {"apiVersion":"skein.dev/v1","kind":"SkeinNode","metadata":{"name":"node-1","ownerReferences":[\
                    {"apiVersion":"v1","kind":"Node","name":"node-1","uid":"uid-of-node-1"}]},\
                    "spec":{"addresses":["192.0.2.1"],"podCIDRs":["10.0.1.0/24"]}}
                    """)
            #expect(world.now.nodes["node-1"]?.podRanges.map(\.description) == ["10.0.1.0/24"])
            try stand.putNode(ip: "192.0.2.77")
            try await eventually("it follows") {
                world.now.nodes["node-1"]?.addresses.map(\.description) == ["192.0.2.77"]
            }
            stand.cluster.remove(path)
            try await eventually("it is made again") { stand.cluster.object(path) != nil }
            try await eventually("it is told") { world.now.nodes["node-1"] != nil }
            #expect(applies(server).count == 3)
        }
    }

    @Test func `pod ranges that the operator gives are not ours to say`() async throws {
        var settings = ClusterSettings.test()
        settings.copiesPodCIDRs = false
        try await Stand.withAgent(settings, prepare: { try $0.putNode() }) { stand, server, _, world in
            try await eventually("it is there") { world.now.nodes["node-1"] != nil }
            #expect(applies(server).first?.json["spec"].text == #"{"addresses":["192.0.2.1"]}"#)
            var object = try #require(stand.cluster.object(path))
            object["spec"]["podCIDRs"] = .array([.string("10.9.0.0/24")])
            try stand.cluster.put(path, object.text)
            try await eventually("they are told") {
                world.now.nodes["node-1"]?.podRanges.map(\.description) == ["10.9.0.0/24"]
            }
            try stand.putNode(ip: "192.0.2.78")
            try await eventually("it follows") {
                world.now.nodes["node-1"]?.addresses.map(\.description) == ["192.0.2.78"]
            }
            #expect(world.now.nodes["node-1"]?.podRanges.map(\.description) == ["10.9.0.0/24"])
        }
    }

    @Test func `health is in its status`() async throws {
        try await Stand.withAgent(prepare: { try $0.putNode() }) { stand, _, connection, _ in
            await connection.directory.setNodeState(NodeState(problem: "the map is full"))
            try await eventually("it is told") { stand.cluster.object(path)?["status"]["health"].string == "degraded" }
            await connection.directory.setNodeState(NodeState(addresses: .init(used: 250, available: 4)))
            try await eventually("it is told") { stand.cluster.object(path)?["status"]["health"].string == "ok" }
            #expect(stand.cluster.object(path)?["status"]["ipam"].text == #"{"available":4,"used":250}"#)
            guard case .array(let conditions) = stand.cluster.object(path)?["status"]["conditions"] else {
                Issue.record("there are conditions")
                return
            }
            #expect(conditions.map { $0["type"].string } == ["Ready"])
            #expect(conditions.map { $0["status"].string } == ["True"])
            // The schema wants all of them.
            for field in ["reason", "message", "lastTransitionTime"] { #expect(conditions.first?[field].string != nil) }
            #expect(stand.cluster.object(path)?["spec"]["addresses"].text == #"["192.0.2.1"]"#)
        }
    }

    @Test func `the node is up when the agent says so, and again when somebody says otherwise`() async throws {
        let taints = """
            [{"key":"skein.dev/agent-not-ready","effect":"NoSchedule"},\
            {"key":"dedicated","value":"db","effect":"NoExecute","timeAdded":"2026-01-01T00:00:00Z"}]
            """
        func isUp(_ stand: Stand) -> Bool {
            guard let node = stand.cluster.object("/api/v1/nodes/node-1"),
                case .array(let conditions) = node["status"]["conditions"]
            else { return false }
            return conditions.contains {
                $0["type"].string == "NetworkUnavailable" && $0["status"].string == "False"
                    && $0["reason"].string == "SkeinIsUp"
            }
                && node["spec"]["taints"].text
                    == #"[{"effect":"NoExecute","key":"dedicated","timeAdded":"2026-01-01T00:00:00Z","value":"db"}]"#
        }
        try await Stand.withAgent(prepare: { try $0.putNode(taints: taints) }) { stand, server, connection, world in
            try await eventually("it told") { world.now.nodes["node-1"] != nil }
            #expect(!server.requests.contains { $0.path.hasPrefix("/api/v1/nodes/") && $0.method != "GET" })
            // As the agent has it: nothing else is said to the cluster when the node is ready.
            let readiness: any NodeReadiness = connection.directory
            await readiness.announceReady()
            try await eventually("it is up") { isUp(stand) }
            try stand.putNode(taints: taints)
            try await eventually("it is up again") { isUp(stand) }
            // The Node is registered anew under a running agent, and the SkeinNode is collected with the old one.
            stand.cluster.remove("/api/v1/nodes/node-1")
            stand.cluster.remove(path)
            try await eventually("it is gone") { world.now.nodes["node-1"] == nil }
            try stand.putNode(taints: taints)
            try await eventually("the new one is up") { isUp(stand) && stand.cluster.object(path) != nil }
        }
    }

    @Test func `what the API server takes and leaves out is written again, later and later`() async throws {
        var settings = ClusterSettings.test()
        settings.repeatBackoff = Backoff(base: .milliseconds(20), limit: .seconds(600), jitter: 0)
        let writes = Collected<ContinuousClock.Instant>()
        try await Stand.withAgent(
            settings,
            prepare: { stand in
                // As a schema does that has no addresses yet.
                let old = #"{"metadata":{"name":"node-1","uid":"sn","resourceVersion":"1"},"spec":{"podCIDRs":[]}}"#
                try stand.cluster.put("\(Stand.nodes)/node-1", old)
                stand.answer { [path] request in
                    guard request.path == path, request.method == "PATCH" else { return nil }
                    writes.append(.now)
                    return .json(old)
                }
                try stand.putNode()
            }
        ) { stand, _, _, world in
            try await eventually("it writes again and again") {
                // Whatever else happens to the node meanwhile.
                try stand.putNode(taints: "[{\"key\":\"k\(writes.all.count)\",\"effect\":\"NoSchedule\"}]")
                return writes.all.count >= 5
            }
            let times = writes.all
            for (index, wait) in [20, 40, 80, 160].enumerated() {
                #expect(times[index].duration(to: times[index + 1]) >= .milliseconds(wait))
            }
            // Once it sticks there is no more to do.
            stand.answer { _ in nil }
            try await eventually("it is told") { world.now.nodes["node-1"]?.addresses.isEmpty == false }
        }
    }

    @Test func `what a Node loses for a moment is not taken from the pods`() {
        let node = WatchedNode(node: KubeNode(metadata: ObjectMeta(name: "n", uid: "u")))
        let owner = OwnerReference(apiVersion: "v1", kind: "Node", name: "n", uid: "u")
        let told = SkeinNode(
            metadata: ObjectMeta(name: "n", ownerReferences: [owner]),
            spec: .init(
                addresses: [IPAddress(v4: 0xc000_0201)], podCIDRs: [Prefix("10.0.1.0/24")].compactMap { $0 }))
        func plan(_ node: WatchedNode?, _ skeinNode: SkeinNode?) -> NodePlan {
            NodePlan(node: node, skeinNode: skeinNode, state: nil, isReady: false, copiesPodCIDRs: true)
        }
        #expect(plan(node, told).isEmpty)
        #expect(plan(nil, told).isEmpty && plan(nil, nil).isEmpty)
        #expect(plan(node, nil).configuration?.spec.podCIDRs == [])
    }
}

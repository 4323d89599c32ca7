// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import NetTypes

@testable import ClusterScope

func address(_ text: String) -> IPAddress { IPAddress(text) ?? .unspecifiedIPv4 }

/// Two nodes, pods of both families, an API server and something outside, both IPv4 only.
func twoNodes() -> Topology {
    var topology = Topology(
        namespace: "t",
        nodes: [
            .init(name: "one", addresses: [address("192.0.2.11"), address("2001:db8::11")]),
            .init(name: "two", addresses: [address("192.0.2.12"), address("2001:db8::12")]),
        ])
    topology.echoes = [
        .near: [address("10.0.1.5"), address("fd00:1::5")], .far: [address("10.0.2.5"), address("fd00:2::5")],
    ]
    topology.service = [address("10.96.0.7")]
    topology.apiService = [OutsideAddress(address: address("10.96.0.1"), port: 443)]
    topology.apiServers = [OutsideAddress(address: address("192.0.2.1"), port: 6_443)]
    topology.world = [OutsideAddress(address: address("203.0.113.10"), port: 8_080)]
    return topology
}

func oneNode() -> Topology {
    var topology = twoNodes()
    topology.nodes.removeLast()
    return topology
}

extension JSON {
    /// A path into objects and arrays.
    subscript(path: String...) -> JSON {
        path.reduce(self) { value, key in
            if let index = Int(key) { return index < value.array.count ? value.array[index] : .null }
            return value[key]
        }
    }
}

/// What a fake API server needs to have a cluster of two nodes with Skein.
enum FakeNodes {
    static let pods = "/api/v1/namespaces/kube-system/pods"
    static let skein = "/apis/skein.dev/v1"

    static func install(_ cluster: FakeCluster) throws {
        for (index, name) in ["one", "two"].enumerated() {
            try cluster.put("/api/v1/nodes/\(name)", node(name, "192.0.2.1\(index + 1)"))
            try cluster.put("\(skein)/skeinnodes/\(name)", skeinNode(name, index))
            try cluster.put("\(pods)/skein-agent-\(name)", pod("skein-agent-\(name)", on: name, label: "skein-agent"))
        }
        try cluster.put("\(pods)/skein-operator-x", pod("skein-operator-x", on: "one", label: "skein-operator"))
        try cluster.put(
            "/apis/apps/v1/namespaces/kube-system/deployments/skein-operator",
            "{\"metadata\":{\"name\":\"skein-operator\",\"namespace\":\"kube-system\"},\"spec\":{\"replicas\":1}}")
    }

    /// With the server's version, which is no object.
    static func answer(_ cluster: FakeCluster) -> @Sendable (FakeRequest) async throws -> FakeResponse {
        { request in
            request.path == "/version"
                ? .json("{\"gitVersion\":\"v1.20.2\"}") : try await cluster.answer(request)
        }
    }

    static func node(_ name: String, _ address: String, ready: String = "True") -> String {
        """
        {"metadata":{"name":"\(name)","labels":{"kubernetes.io/os":"linux"}},"spec":{},"status":{\
        "addresses":[{"type":"InternalIP","address":"\(address)"}],\
        "conditions":[{"type":"Ready","status":"\(ready)"}]}}
        """
    }

    static func skeinNode(_ name: String, _ index: Int, health: String = "ok", message: String = "") -> String {
        """
        {"metadata":{"name":"\(name)"},"spec":{"addresses":["192.0.2.1\(index + 1)"],"podCIDRs":["10.0.\(index).0/24"]},\
        "status":{"health":"\(health)","conditions":[{"type":"Ready","status":"\(health == "ok" ? "True" : "False")",\
        "reason":"R","message":"\(message)","lastTransitionTime":"2026-01-01T00:00:00Z"}]}}
        """
    }

    static func pod(
        _ name: String, on node: String, label: String, ready: String = "True", address: String = "10.0.0.9",
        restarts: Int = 0, state: String = "{\"running\":{}}"
    ) -> String {
        """
        {"metadata":{"name":"\(name)","namespace":"kube-system","labels":{"app.kubernetes.io/name":"\(label)"}},\
        "spec":{"nodeName":"\(node)","containers":[{"name":"agent","image":"skein:1"}]},"status":{"phase":"Running",\
        "podIPs":[{"ip":"\(address)"}],"conditions":[{"type":"Ready","status":"\(ready)"}],\
        "containerStatuses":[{"name":"agent","restartCount":\(restarts),"state":\(state)}]}}
        """
    }

    static func policy(_ name: String, generation: Int = 1, _ conditions: [(String, String, String)], observed: Int = 1)
        -> String
    {
        let list = conditions.map { type, status, message in
            "{\"type\":\"\(type)\",\"status\":\"\(status)\",\"message\":\"\(message)\",\"observedGeneration\":\(observed)}"
        }
        return """
            {"metadata":{"name":"\(name)","namespace":"shop","generation":\(generation)},"spec":{},\
            "status":{"conditions":[\(list.joined(separator: ","))]}}
            """
    }
}

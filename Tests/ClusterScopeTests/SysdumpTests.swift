// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Testing

@testable import ClusterScope

@Suite struct RedactionTests {
    @Test func `values of environments go, names and references stay`() {
        let pod: JSON = [
            "metadata": [
                "name": "p", "managedFields": [["manager": "kubectl"]],
                "annotations": ["kubectl.kubernetes.io/last-applied-configuration": "secret", "kept": "yes"],
            ],
            "spec": [
                "containers": [
                    [
                        "env": [
                            ["name": "A", "value": "secret"],
                            ["name": "B", "valueFrom": ["secretKeyRef": ["name": "s", "key": "value"]]],
                        ],
                        "resources": ["value": "kept"],
                    ]
                ]
            ],
        ]
        let expected: JSON = [
            "metadata": ["name": "p", "annotations": ["kept": "yes"]],
            "spec": [
                "containers": [
                    [
                        "env": [
                            ["name": "A", "value": "(removed)"],
                            ["name": "B", "valueFrom": ["secretKeyRef": ["name": "s", "key": "value"]]],
                        ],
                        "resources": ["value": "kept"],
                    ]
                ]
            ],
        ]
        #expect(Redaction.apply(pod) == expected)
    }

    @Test func `values that are numbers or truths stay what they are`() {
        let value: JSON = ["a": 1, "b": true, "c": .null, "d": .number(1.5), "e": []]
        #expect(Redaction.apply(value) == value)
    }
}

/// Keeps files in memory.
private struct Files: DumpSink {
    var files: [String: String] = [:]
    var isFinished = false

    mutating func add(_ path: String, _ contents: [UInt8]) {
        #expect(files[path] == nil, "each file comes once")
        files[path] = String(decoding: contents, as: UTF8.self)
    }

    mutating func finish() { isFinished = true }
}

@Suite struct SysdumpTests {
    /// Answers for logs and what a fake cluster has no objects for.
    private func answer(_ cluster: FakeCluster) -> @Sendable (FakeRequest) async throws -> FakeResponse {
        { request in
            if request.path.hasSuffix("/log") {
                let pod = request.path.split(separator: "/").dropLast().last ?? ""
                if pod == "skein-agent-two" { return .status(500, "InternalError", "kubelet is away") }
                let previous = request.query["previous"] == "true" ? " before" : ""
                return .json("\(pod) \(request.query["container"] ?? "?")\(previous)\n")
            }
            switch request.path {
            case "/version": return .json("{\"gitVersion\":\"v1.20.2\"}")
            case "/apis/discovery.k8s.io/v1": return .status(404, "NotFound")
            case "/apis/discovery.k8s.io/v1beta1": return .json("{\"resources\":[{\"name\":\"endpointslices\"}]}")
            case "/api/v1/namespaces/kube-system/events": return .status(403, "Forbidden", "not for you")
            case "/apis/policy.networking.k8s.io/v1alpha2/clusternetworkpolicies": return .status(404, "NotFound")
            default: return try await cluster.answer(request)
            }
        }
    }

    @Test func `objects, logs and status are there, and what could not be had is named`() async throws {
        let cluster = FakeCluster()
        try FakeNodes.install(cluster)
        try cluster.put(
            "\(FakeNodes.pods)/skein-agent-one",
            FakeNodes.pod("skein-agent-one", on: "one", label: "skein-agent", restarts: 2))
        try cluster.put(
            "/api/v1/namespaces/shop/secrets/s", "{\"metadata\":{\"name\":\"s\"},\"data\":{\"x\":\"aGlkZGVu\"}}")
        try cluster.put(
            "/apis/discovery.k8s.io/v1beta1/namespaces/shop/endpointslices/e", "{\"metadata\":{\"name\":\"e\"}}")
        var sink = Files()
        var asked: [FakeRequest] = []
        let summary = try await withServer(answer: answer(cluster)) { client, server in
            let dump = Sysdump(client, settings: .init(namespace: "kube-system", version: "1"), say: { _ in })
            let summary = try await dump.run(into: &sink)
            asked = server.requests
            return summary
        }
        #expect(sink.isFinished)
        #expect(sink.files["version.json"] == "{\"gitVersion\":\"v1.20.2\"}")
        #expect(sink.files["status.txt"]?.contains("API server  v1.20.2") == true)
        for kind in ["nodes", "pods", "skeinnodes", "skeinidentities", "endpointslices", "networkpolicies"] {
            #expect(sink.files["objects/\(kind).json"] != nil, "\(kind)")
        }
        let pods = try JSONValue(sink.files["objects/pods.json"] ?? "")
        #expect(pods["kind"].string == "PodList")
        guard case .array(let items) = pods["items"] else { throw TimedOut() }
        #expect(items.count == 3)
        #expect(sink.files["logs/skein-agent-one/agent.log"] == "skein-agent-one agent\n")
        #expect(sink.files["logs/skein-agent-one/agent.previous.log"] == "skein-agent-one agent before\n")
        #expect(sink.files["logs/skein-operator-x/agent.previous.log"] == nil, "it was never restarted")
        let text = sink.files["summary.txt"] ?? ""
        #expect(
            text.contains(
                "logs/skein-agent-two/agent.log: GET /api/v1/namespaces/kube-system/pods/skein-agent-two/log: 500"))
        #expect(text.contains("objects/events.json: GET /api/v1/namespaces/kube-system/events: 403"))
        #expect(!text.contains("objects/clusternetworkpolicies.json: "), "it need not be there")
        #expect(summary.missing.count == 3)
        #expect(!asked.contains { $0.path.contains("secrets") || $0.path.contains("configmaps") })
        #expect(!sink.files.values.contains { $0.contains("aGlkZGVu") })
        let logs = asked.filter { $0.path.hasSuffix("/log") }
        #expect(logs.allSatisfy { $0.query["tailLines"] == "20000" && $0.query["limitBytes"] == "8388608" })
    }

    @Test func `nobody to ask is an error, not an empty dump`() async throws {
        await #expect(throws: KubeError.self) {
            try await withServer(answer: { _ in throw Abort() }) { client, _ in
                var sink = Files()
                _ = try await Sysdump(client, settings: .init(namespace: "x", version: "1"), say: { _ in }).run(
                    into: &sink)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Synchronization
import Testing

@testable import ClusterScope

/// A cluster whose pods run at once, and whose network does what two policies say: np-client-ingress, and
/// snp-deny-ingress if `obeys`.
private final class FakeNetwork: Sendable {
    let cluster = FakeCluster()
    private let rounds = Mutex<[String: Int]>([:])
    private let questions = Mutex<[String: [[Substring]]]>([:])
    let obeys: Bool
    /// What agents say of Skein's policies.
    let enforced: String
    /// The account of a new namespace comes late.
    private let refusals = Mutex(2)

    init(obeys: Bool = true, enforced: String = "True") throws {
        self.obeys = obeys
        self.enforced = enforced
        try FakeNodes.install(cluster)
        try cluster.put(
            "/api/v1/namespaces/default/services/kubernetes",
            "{\"metadata\":{\"name\":\"kubernetes\"},\"spec\":{\"clusterIP\":\"10.96.0.1\"}}")
    }

    var namespaces: [String] { cluster.names(in: "/api/v1/namespaces") }
    private func has(_ path: String) -> Bool { cluster.object(path) != nil }

    func answer(_ request: FakeRequest) async throws -> FakeResponse {
        switch (request.method, request.path) {
        case ("GET", "/apis/skein.dev/v1"): return .json("{\"resources\":[{\"name\":\"skeinnetworkpolicies\"}]}")
        case ("GET", "/apis/discovery.k8s.io/v1"), ("GET", "/apis/discovery.k8s.io/v1beta1"):
            return .json("{\"resources\":[]}")
        case ("GET", let path) where path.hasSuffix("/log"): return .json(log(path))
        case ("POST", let path) where path.hasSuffix("/pods"):
            let isEarly = refusals.withLock { left in
                left -= 1
                return left >= 0
            }
            if isEarly {
                return .status(403, "Forbidden", "error looking up service account t/default: serviceaccount not found")
            }
            return try await run(request)
        case ("POST", let path) where path.hasSuffix("policies") && path.contains("skein.dev"):
            var object = request.json
            object["metadata"]["generation"] = .number(1)
            object["status"] = try JSONValue(
                """
                {"conditions":[{"type":"Valid","status":"True","observedGeneration":1},\
                {"type":"Enforced","status":"\(enforced)","message":"node one: no","observedGeneration":1}]}
                """)
            try cluster.put("\(path)/\(object["metadata"]["name"].string ?? "")", object.text)
            return .json(object.text, status: 201)
        default: return try await cluster.answer(request)
        }
    }

    private func run(_ request: FakeRequest) async throws -> FakeResponse {
        let name = request.json["metadata"]["name"].string ?? ""
        let address = name == "echo-far" ? "10.0.2.5" : "10.0.1.5"
        var pod = request.json
        pod["status"] = try JSONValue(
            """
            {"phase":"Running","podIPs":[{"ip":"\(address)"}],"conditions":[{"type":"Ready","status":"True"}]}
            """)
        try cluster.put("\(request.path)/\(name)", pod.text)
        if case .array(let containers) = pod["spec"]["containers"], case .array(let env) = containers[0]["env"] {
            let lines = (env[0]["value"].string ?? "").split(separator: "\n").map { $0.split(separator: " ") }
            questions.withLock { $0[name] = lines }
        }
        return .json(pod.text, status: 201)
    }

    /// Each time, one more round.
    private func log(_ path: String) -> String {
        let name = path.split(separator: "/").dropLast().last.map(String.init) ?? ""
        let round = rounds.withLock { rounds in
            rounds[name, default: 0] += 1
            return rounds[name] ?? 0
        }
        var text = ""
        for number in max(1, round - 2)...round {
            text += "begin \(number)\n"
            for line in questions.withLock({ $0[name] ?? [] }) {
                text += "= \(number) \(line[0]) \(reaches(name, port: String(line[3])) ? "yes" : "no")\n"
            }
            text += "end \(number)\n"
        }
        return text
    }

    private func reaches(_ prober: String, port: String) -> Bool {
        if port == "8099" { return false }
        guard obeys else { return true }
        if has("/apis/networking.k8s.io/v1/namespaces/t/networkpolicies/scenario") { return prober == "client" }
        if has("/apis/skein.dev/v1/namespaces/t/skeinnetworkpolicies/scenario") { return prober != "other-client" }
        return true
    }
}

@Suite struct ConnectivityTestTests {
    private static let names = ["pod-to-pod-same-node", "pod-to-world", "np-client-ingress", "snp-deny-ingress"]

    private func settings(keeps: Bool = false) -> ConnectivitySettings {
        var settings = ConnectivitySettings()
        settings.namespace = "t"
        settings.timeout = .seconds(10)
        settings.podTimeout = .seconds(10)
        settings.pause = .milliseconds(2)
        settings.keeps = keeps
        return settings
    }

    private func run(
        _ network: FakeNetwork, _ settings: ConnectivitySettings,
        say: @escaping @Sendable (String) -> Void = { _ in }
    ) async throws -> ConnectivityReport {
        try await withServer(answer: network.answer) { client, _ in
            await ConnectivityTest(
                client, settings: settings, scenarios: Scenario.all.filter { Self.names.contains($0.name) }, say: say
            ).run()
        }
    }

    @Test func `a network that obeys passes, what can't be run is skipped, and nothing is left`() async throws {
        let network = try FakeNetwork()
        let lines = Collected<String>()
        let report = try await run(network, settings()) { lines.append($0) }
        #expect(report.problem == nil)
        #expect(report.results.map(\.scenario) == Self.names)
        #expect(report.results.map(\.outcome) == [.passed, .skipped, .passed, .passed])
        #expect(report.results[2].allowed == 3)
        #expect(report.results[2].refused == 4)
        #expect(report.isSuccess)
        #expect(report.leftovers == [])
        #expect(network.namespaces == [])
        #expect(lines.all.contains { $0.hasPrefix("[2/4] pod-to-world          skipped: no --world") })
        #expect(report.summary.hasPrefix("3 scenarios passed, 0 failed, 1 skipped"))
    }

    @Test func `a network without policy fails where somebody should be refused, and says who`() async throws {
        var settings = settings()
        settings.timeout = .seconds(3)
        let network = try FakeNetwork(obeys: false)
        let report = try await run(network, settings)
        #expect(report.results.map(\.outcome) == [.passed, .skipped, .failed, .failed])
        #expect(report.results[2].notes.count == 4)
        #expect(
            report.results[2].notes.first
                == "other-client -> echo-near tcp 8080 (10.0.1.5 port 8080) answers, should be refused")
        #expect(!report.isSuccess)
        #expect(network.namespaces == [])
    }

    @Test func `what is to be kept is kept as it is at the first failure`() async throws {
        var settings = settings(keeps: true)
        settings.timeout = .seconds(3)
        let network = try FakeNetwork(obeys: false)
        let report = try await run(network, settings)
        #expect(report.results.map(\.outcome) == [.passed, .skipped, .failed])
        #expect(network.namespaces == ["t", "t-other"])
        #expect(
            network.cluster.names(in: "/apis/networking.k8s.io/v1/namespaces/t/networkpolicies") == ["scenario"])
    }

    @Test func `a policy that agents don't enforce fails with their words`() async throws {
        var settings = settings()
        settings.timeout = .seconds(3)
        let report = try await run(try FakeNetwork(enforced: "False"), settings)
        #expect(report.results[3].notes == ["SkeinNetworkPolicy t/scenario is not enforced: node one: no"])
    }

    @Test func `what is cancelled cleans up`() async throws {
        let network = try FakeNetwork()
        let started = Counter()
        // Probers say nothing: it would wait for long.
        let report = try await withServer(answer: { request in
            if request.path.hasSuffix("/log") {
                started.add(1)
                return .json("")
            }
            return try await network.answer(request)
        }) { client, _ in
            let test = ConnectivityTest(client, settings: settings(), scenarios: Scenario.all, say: { _ in })
            let work = Task { await test.run() }
            try await eventually("probers are asked") { started.value > 0 }
            #expect(network.namespaces == ["t", "t-other"])
            work.cancel()
            return await work.value
        }
        #expect(report.problem == "it was interrupted")
        #expect(!report.isSuccess)
        #expect(network.namespaces == [])
    }

    @Test func `somebody else's namespace is left alone`() async throws {
        let network = try FakeNetwork()
        try network.cluster.put("/api/v1/namespaces/t", "{\"metadata\":{\"name\":\"t\"}}")
        let report = try await run(network, settings())
        #expect(report.problem?.contains("was not made by a test") == true)
        #expect(network.namespaces == ["t"])
    }

    @Test func `what an earlier test has left is deleted first, and kept things stay`() async throws {
        let network = try FakeNetwork()
        let first = try await run(network, settings(keeps: true))
        #expect(first.isSuccess)
        #expect(network.namespaces == ["t", "t-other"])
        // A fake cluster keeps what was in a namespace.
        for pod in ["echo-near", "echo-far", "client", "other-client"] {
            network.cluster.remove("/api/v1/namespaces/t/pods/\(pod)")
        }
        network.cluster.remove("/api/v1/namespaces/t/services/echo")
        network.cluster.remove("/api/v1/namespaces/t-other/pods/stranger")
        let second = try await run(network, settings())
        #expect(second.isSuccess)
        #expect(network.namespaces == [])
    }

    @Test func `pods are on the nodes, and carry what policies select`() async throws {
        let network = try FakeNetwork()
        _ = try await run(network, settings(keeps: true))
        func pod(_ path: String) -> JSONValue { network.cluster.object("/api/v1/namespaces/\(path)") ?? .null }
        #expect(pod("t/pods/echo-near")["spec"]["nodeName"].string == "one")
        #expect(pod("t/pods/echo-far")["spec"]["nodeName"].string == "two")
        #expect(pod("t/pods/client")["spec"]["nodeName"].string == "one")
        #expect(pod("t-other/pods/stranger")["spec"]["nodeName"].string == "two")
        #expect(pod("t/pods/client")["metadata"]["labels"]["kind"].string == "client")
        #expect(pod("t/pods/client")["apiVersion"].string == "v1")
        #expect(pod("t/pods/client")["kind"].string == "Pod")
        #expect(pod("t/pods/client")["spec"]["terminationGracePeriodSeconds"] == .number(0))
    }
}

// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import Testing

@testable import ClusterSync

@Suite struct PolicyStatusPlanTests {
    private func record(
        generation: Int64 = 2, told: Int64? = 2, problem: String? = nil, _ conditions: KubeCondition...
    ) -> PolicyRecord {
        PolicyRecord(
            uid: "one", version: "7", generation: generation, problem: problem, conditions: conditions,
            validGeneration: problem == nil ? generation : nil, toldGeneration: told, text: [])
    }

    private func condition(
        _ type: String, _ status: String, _ reason: String, _ message: String = "", generation: Int64 = 2
    ) -> KubeCondition {
        KubeCondition(
            type: type, status: status, reason: reason, message: message, observedGeneration: generation,
            lastTransitionTime: "then")
    }

    private func plan(_ record: PolicyRecord, _ state: PolicyState?) -> [String] {
        PolicyStatusPlan(record, state: state, node: "b", isNode: { ["a", "b", "c"].contains($0) }).changes.map {
            "\($0.type)=\($0.status) \($0.reason ?? "") \($0.message ?? "")"
        }
    }

    private var valid: KubeCondition { condition("Valid", "True", "Valid") }

    @Test func `who is first writes both, and then there is nothing to write`() {
        #expect(plan(record(), .enforced) == ["Valid=True Valid ", "Enforced=True Enforced "])
        #expect(plan(record(valid, condition("Enforced", "True", "Enforced")), .enforced).isEmpty)
        #expect(plan(record(), nil) == ["Valid=True Valid "])
        #expect(plan(record(valid), nil).isEmpty)
    }

    @Test func `a new version is spoken of anew, once it is in force`() {
        let old = [
            condition("Valid", "True", "Valid", generation: 1),
            condition("Enforced", "True", "Enforced", generation: 1),
        ]
        #expect(plan(record(old[0], old[1]), .enforced).count == 2)
        // What is in force is the version before.
        #expect(plan(record(told: 1, old[0], old[1]), .enforced) == ["Valid=True Valid "])
    }

    @Test func `the complaint of a node stands until it takes it back or is gone`() {
        func complaint(_ node: String) -> PolicyRecord {
            record(valid, condition("Enforced", "False", "NotEnforced", "node \(node): no room"))
        }
        #expect(plan(complaint("a"), .enforced).isEmpty)
        #expect(plan(complaint("c"), .enforced).isEmpty)
        #expect(plan(complaint("b"), .enforced) == ["Enforced=True Enforced "])
        #expect(plan(complaint("gone"), .enforced) == ["Enforced=True Enforced "])
        // Of several that complain the first by name does, so that they don't take turns.
        #expect(plan(complaint("a"), .notEnforced("full")).isEmpty)
        #expect(plan(complaint("c"), .notEnforced("full")) == ["Enforced=False NotEnforced node b: full"])
        #expect(plan(complaint("b"), .notEnforced("no room")).isEmpty)
        #expect(
            plan(record(valid, condition("Enforced", "True", "Enforced")), .notEnforced("full"))
                == ["Enforced=False NotEnforced node b: full"])
    }

    @Test(arguments: [nil, .enforced, .notEnforced("x")] as [PolicyState?])
    func `what is invalid is neither, whatever a node says`(state: PolicyState?) {
        let invalid = record(problem: "spec.x: unknown field", valid, condition("Enforced", "True", "Enforced"))
        #expect(
            plan(invalid, state) == [
                "Valid=False Invalid spec.x: unknown field",
                "Enforced=False Invalid not in force; nodes that had an earlier valid version of it keep that",
            ])
    }

    @Test func `what the agent refuses is invalid as well`() {
        #expect(plan(record(valid), .invalid("spec.y: too many")).first == "Valid=False Invalid spec.y: too many")
    }

    @Test func `others' conditions and times that did not change stay`() {
        let foreign = condition("Reviewed", "True", "ByHand")
        let old = record(foreign, condition("Valid", "True", "Valid", generation: 1))
        let plan = PolicyStatusPlan(old, state: .enforced, node: "b", isNode: { _ in true })
        let now = plan.applied(to: old.conditions, now: "now")
        #expect(now.map(\.type) == ["Reviewed", "Valid", "Enforced"])
        #expect(now.map(\.lastTransitionTime) == ["then", "then", "now"])
        #expect(now.map(\.observedGeneration) == [2, 2, 2])
    }
}

@Suite struct PolicyStatusWriterTests {
    private let reference = ObjectReference(kind: "SkeinNetworkPolicy", namespace: "default", name: "p")

    private func conditions(_ stand: Stand, _ kind: ClusterKind = .skeinPolicies) throws -> [String: String] {
        let object = stand.cluster.object(try stand.policyPath(kind, "p"))
        guard case .array(let list) = object?["status"]["conditions"] else { return [:] }
        return Dictionary(
            list.map { ($0["type"].string ?? "", "\($0["status"].string ?? "") \($0["observedGeneration"].text)") },
            uniquingKeysWith: { "\($0) and \($1)" })
    }

    private func writes(_ server: FakeServer) -> Int {
        server.requests.count { $0.method == "PATCH" && $0.path.hasSuffix("/status") }
    }

    @Test func `the status follows the policy`() async throws {
        try await Stand.withAgent(prepare: { try $0.putPolicy(.skeinPolicies, "p", Specs.skein) }) {
            stand, server, connection, world in
            try await eventually("valid") { try conditions(stand) == ["Valid": "True 1"] }
            await connection.directory.setPolicyState(.enforced, of: reference)
            try await eventually("enforced") { try conditions(stand) == ["Valid": "True 1", "Enforced": "True 1"] }

            try stand.putPolicy(.skeinPolicies, "p", Specs.skeinBad, generation: 2)
            try await eventually("invalid") { try conditions(stand) == ["Valid": "False 2", "Enforced": "False 2"] }
            let object = try #require(stand.cluster.object(try stand.policyPath(.skeinPolicies, "p")))
            guard case .array(let list) = object["status"]["conditions"] else { return }
            let message = list.first { $0["type"].string == "Valid" }?["message"].string
            #expect(message == "spec.ingress[0].fromEntitys: unknown field")
            #expect(list.allSatisfy { $0["lastTransitionTime"].string?.hasSuffix("Z") == true })

            try stand.putPolicy(.skeinPolicies, "p", Specs.skeinOther, generation: 3)
            try await eventually("told") { world.now.policies.values.first?.contains("world") == true }
            await connection.directory.setPolicyState(.notEnforced("no room"), of: reference)
            try await eventually("not in force") {
                try conditions(stand) == ["Valid": "True 3", "Enforced": "False 3"]
            }
            await connection.directory.setPolicyState(.enforced, of: reference)
            try await eventually("in force") { try conditions(stand) == ["Valid": "True 3", "Enforced": "True 3"] }

            // The status' own changes are no news, and nothing is written twice.
            let count = (writes(server), world.now.batches.count)
            try stand.putNamespace("barrier")
            try await eventually("told") { world.now.namespaces["barrier"] != nil }
            #expect(writes(server) == count.0 && world.now.batches.count == count.1 + 1)
        }
    }

    @Test func `a status that the API server takes and leaves out is written again, later and later`() async throws {
        var settings = ClusterSettings.test()
        settings.repeatBackoff = Backoff(base: .milliseconds(20), limit: .seconds(600), jitter: 0)
        let writes = Collected<ContinuousClock.Instant>()
        try await Stand.withAgent(
            settings,
            prepare: { stand in
                try stand.putPolicy(.skeinPolicies, "p", Specs.skein)
                let path = try stand.policyPath(.skeinPolicies, "p")
                let object = try #require(stand.cluster.object(path)).text
                stand.answer { request in
                    guard request.path == path + "/status" else { return nil }
                    writes.append(.now)
                    return .json(object)
                }
            }
        ) { stand, _, _, _ in
            try await eventually("it writes again and again") {
                // Whatever else is told meanwhile.
                try stand.putPolicy(.skeinPolicies, "p", Specs.skein)
                return writes.all.count >= 5
            }
            let times = writes.all
            for (index, wait) in [20, 40, 80, 160].enumerated() {
                #expect(times[index].duration(to: times[index + 1]) >= .milliseconds(wait))
            }
            stand.answer { _ in nil }
            try await eventually("it sticks") { try conditions(stand) == ["Valid": "True 1"] }
        }
    }

    @Test func `another version that says the same is in force with the first`() async throws {
        try await Stand.withAgent(prepare: { try $0.putPolicy(.skeinClusterPolicies, "p", Specs.skein) }) {
            stand, _, connection, world in
            try await eventually("told") { world.now.policies.count == 1 }
            let reference = ObjectReference(kind: "SkeinClusterNetworkPolicy", namespace: "", name: "p")
            await connection.directory.setPolicyState(.enforced, of: reference)
            try await eventually("enforced") { try conditions(stand, .skeinClusterPolicies)["Enforced"] == "True 1" }
            try stand.putPolicy(.skeinClusterPolicies, "p", Specs.skein, generation: 2)
            try await eventually("enforced") { try conditions(stand, .skeinClusterPolicies)["Enforced"] == "True 2" }
        }
    }

    @Test func `of many nodes few write, and all agree`() async throws {
        try await Stand.with { stand, server in
            try stand.putPolicy(.skeinPolicies, "p", Specs.skein)
            for index in 0..<5 { try stand.putSkeinNode("node-\(index)") }
            try await Self.agents(5, on: server) { connections in
                try await eventually("valid") { try conditions(stand)["Valid"] == "True 1" }
                for connection in connections {
                    await connection.directory.setPolicyState(.enforced, of: reference)
                }
                try await eventually("enforced") { try conditions(stand)["Enforced"] == "True 1" }
                await connections[3].directory.setPolicyState(.notEnforced("no room"), of: reference)
                try await eventually("one complains") { try conditions(stand)["Enforced"] == "False 1" }
                let count = writes(server)
                // The others see it, and leave it.
                try stand.putNamespace("barrier")
                try await eventually("seen") { connections.allSatisfy { $0.source.knows(namespace: "barrier") } }
                #expect(try conditions(stand)["Enforced"] == "False 1")
                #expect(writes(server) - count <= 4)
                await connections[3].directory.setPolicyState(.enforced, of: reference)
                try await eventually("all is well") { try conditions(stand)["Enforced"] == "True 1" }
            }
        }
    }

    private static func agents(
        _ count: Int, on server: FakeServer, _ connections: [ClusterConnection] = [],
        _ body: ([ClusterConnection]) async throws -> Void
    ) async throws {
        guard connections.count < count else { return try await body(connections) }
        try await Stand.withAgent(.test(node: "node-\(connections.count)"), on: server) { connection, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            try await agents(count, on: server, connections + [connection], body)
        }
    }

    @Test func `kinds without such a status are left alone`() async throws {
        try await Stand.withAgent(prepare: { try $0.putPolicy(.networkPolicies, "p", Specs.badPort) }) {
            stand, server, connection, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            await connection.directory.setPolicyState(
                .enforced, of: ObjectReference(kind: "NetworkPolicy", namespace: "default", name: "p"))
            try stand.putNamespace("barrier")
            try await eventually("seen") { world.now.namespaces["barrier"] != nil }
            #expect(writes(server) == 0)
        }
    }
}

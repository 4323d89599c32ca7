// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import ServiceLifecycle
import Synchronization
import Testing

@testable import OperatorCore

/// Leaders that go in the middle of their work.
@Suite struct LeaderChangeTests {
    private static func isApply(_ request: FakeRequest) -> Bool {
        request.method == "PATCH" && (request.headers["content-type"] ?? "").contains("apply")
    }

    private static func isFence(_ request: FakeRequest) -> Bool {
        request.method == "PATCH" && request.json["metadata"]["annotations"][PodRangeService.fenceKey].string != nil
    }

    private static func settings(_ identity: String) -> OperatorSettings {
        OperatorSettings.test(identity) { $0.podRanges?.ipv6 = [] }
    }

    /// The first leader's writes to node-0 are lost on the way: what it sent is given back, to arrive whenever.
    private func writesOfFirstLeader(_ cluster: FakeCluster, _ client: APIClient) async throws -> [FakeRequest] {
        let lost = Collected<FakeRequest>()
        cluster.gate.withLock {
            $0 = { request in
                guard Self.isApply(request), request.path == Paths.skeinNode("node-0") else { return }
                lost.append(request)
                throw Abort()
            }
        }
        try await withOperator(client, Self.settings("a")) {
            try await eventually("it writes to node-0") { !lost.all.isEmpty }
        }
        cluster.gate.withLock { $0 = { _ in } }
        #expect(cluster.ranges("node-0") == [])
        return lost.all
    }

    @Test func `what a former leader sent does not arrive after its successor has begun`() async throws {
        try await withCluster { cluster, client, _ in
            for number in 0..<3 { try cluster.addNode("node-\(number)") }
            let late = try await writesOfFirstLeader(cluster, client)
            try await withOperator(client, Self.settings("b")) {
                try await eventually("all have one") {
                    (0..<3).allSatisfy { cluster.ranges("node-\($0)").count == 1 }
                }
                for request in late { #expect(try await cluster.answer(request).status == 409) }
            }
            #expect(cluster.sharedRanges == [])
        }
    }

    @Test func `what a former leader sent arrives while its successor begins, and counts`() async throws {
        try await withCluster { cluster, client, server in
            for number in 0..<3 { try cluster.addNode("node-\(number)") }
            let late = try #require(try await writesOfFirstLeader(cluster, client).last)
            // Others have gone in between, so that the successor would begin with the same range.
            for number in 1..<3 {
                cluster.removeNode("node-\(number)")
                try cluster.addNode("node-\(number)")
            }
            let arrived = Mutex<Int?>(nil)
            // After the successor has seen all objects, and before it has touched any.
            cluster.gate.withLock {
                $0 = { request in
                    guard Self.isFence(request), arrived.withLock({ $0 }) == nil else { return }
                    let status = try await cluster.answerPastGate(late).status
                    arrived.withLock { $0 = $0 ?? status }
                }
            }
            try await withOperator(client, Self.settings("b")) {
                try await eventually("all have one") {
                    (0..<3).allSatisfy { cluster.ranges("node-\($0)").count == 1 }
                }
            }
            #expect(arrived.withLock { $0 } == 200)
            #expect(
                late.json["spec"]["podCIDRs"].text
                    == cluster.object(Paths.skeinNode("node-0"))?["spec"]["podCIDRs"].text)
            #expect(cluster.sharedRanges == [])
            #expect(server.requests.contains(where: Self.isFence))
        }
    }

    @Test func `two replicas, one of which leads, never share out a range twice`() async throws {
        try await withCluster { cluster, client, server in
            for number in 0..<30 { try cluster.addNode("node-\(number)") }
            try await withOperator(client, Self.settings("a")) {
                try await eventually("a leads") { cluster.leader == "a" }
                try await withOperator(client, Self.settings("b")) {
                    try await eventually("some have one") { cluster.ranges("node-29").count == 1 }
                }
            }
            #expect(cluster.sharedRanges == [])
            let writers = Set(server.requests.filter(Self.isApply).map { $0.path })
            #expect(writers.count == 30)
        }
    }

    @Test func `a lost lease stops all work, and the next leader goes on with it`() async throws {
        try await withCluster { cluster, client, server in
            try cluster.addNode("node-0")
            let health = Health()
            try await withOperator(client, Self.settings("a"), health: health) {
                try await eventually("node-0 has one") { cluster.ranges("node-0").count == 1 }
                var lease = try #require(cluster.object(Paths.lease))
                lease["spec"]["holderIdentity"] = .string("thief")
                lease["spec"]["leaseDurationSeconds"] = .number(3_600)
                try cluster.put(Paths.lease, lease.text)
                try await eventually("it stands by") { health.role == .standby }
                let before = server.requests.map(\.path).filter { $0 != Paths.lease }
                try cluster.addNode("node-1")
                // It looks after the lease, and nothing else.
                let asked = server.requests.count { $0.path == Paths.lease }
                try await eventually("it asks for the lease") {
                    server.requests.count { $0.path == Paths.lease } > asked + 3
                }
                let after = server.requests.map(\.path).filter { $0 != Paths.lease }
                #expect(after == before)
                #expect(cluster.ranges("node-1") == [])
                lease["spec"]["holderIdentity"] = .string("")
                try cluster.put(Paths.lease, lease.text)
                try await eventually("node-1 has one") { cluster.ranges("node-1").count == 1 }
            }
            #expect(cluster.sharedRanges == [])
        }
    }

    @Test func `watches that break lose nothing`() async throws {
        try await withCluster { cluster, client, _ in
            try await withOperator(client, Self.settings("a")) {
                for number in 0..<20 {
                    try cluster.addNode("node-\(number)")
                    if number % 4 == 0 { cluster.endWatches() }
                }
                try await eventually("all have one") {
                    (0..<20).allSatisfy { cluster.ranges("node-\($0)").count == 1 }
                }
            }
            #expect(cluster.sharedRanges == [])
        }
    }

    @Test func `a shutdown frees the lease`() async throws {
        try await withCluster { cluster, client, _ in
            try cluster.addNode("node-0")
            let service = try OperatorService(client, settings: Self.settings("a"), health: Health(), logger: quiet)
            let group = ServiceGroup(
                configuration: .init(services: [.init(service: service)], gracefulShutdownSignals: [], logger: quiet))
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                try await eventually("it works") { cluster.ranges("node-0").count == 1 }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
            #expect(cluster.leader == "")
        }
    }
}

import Foundation
// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import ServiceLifecycle
import Synchronization
import Testing

@testable import KubeClient

@Suite struct LeaderElectorTests {
    private static let path = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/operator"

    private func elector(
        _ client: APIClient, _ identity: String, change: (inout LeaderElectionSettings) -> Void = { _ in }
    ) throws -> LeaderElector {
        var settings = LeaderElectionSettings(identity: identity)
        settings.leaseDuration = .seconds(30)
        settings.renewDeadline = .seconds(20)
        settings.retryPeriod = .milliseconds(50)
        change(&settings)
        return try LeaderElector(
            client, lease: ObjectKey(namespace: "kube-system", name: "operator"), settings: settings, logger: quiet)
    }

    private func withCluster(_ body: (APIClient, FakeCluster) async throws -> Void) async throws {
        let cluster = FakeCluster()
        try await withServer {
            try await cluster.answer($0)
        } _: { client, _ in
            try await body(client, cluster)
        }
    }

    private func holder(_ cluster: FakeCluster) -> String? {
        cluster.object(Self.path)?["spec"]["holderIdentity"].string
    }

    @Test func `what it runs runs while it leads, and the lease is free afterwards`() async throws {
        try await withCluster { client, cluster in
            let seen = Collected<String?>()
            try await elector(client, "a").run { seen.append(self.holder(cluster)) }
            #expect(seen.all == ["a"])
            let spec = try #require(cluster.object(Self.path)?["spec"])
            #expect(spec["holderIdentity"] == .string(""))
            #expect(spec["leaseTransitions"] == .number(0))
            #expect(spec["acquireTime"].string?.count == 27)
            // The next one need not wait.
            try await elector(client, "b").run { seen.append(self.holder(cluster)) }
            #expect(seen.all == ["a", "b"])
            #expect(cluster.object(Self.path)?["spec"]["leaseTransitions"] == .number(1))
        }
    }

    @Test func `what it runs may fail`() async throws {
        struct Broken: Error {}
        try await withCluster { client, cluster in
            await #expect(throws: Broken.self) { try await elector(client, "a").run { throw Broken() } }
            #expect(holder(cluster) == "")
        }
    }

    @Test func `one leads, the other one follows when it is cancelled`() async throws {
        try await withCluster { client, cluster in
            let order = Collected<String>()
            func start(_ identity: String) throws -> Task<Void, any Error> {
                let elector = try elector(client, identity) { $0.leaseDuration = .seconds(60) }
                return Task {
                    try await elector.run {
                        order.append("\(identity) begins")
                        defer { order.append("\(identity) ends") }
                        try await Task.sleep(for: .seconds(600))
                    }
                }
            }
            let first = try start("a")
            try await eventually("a leads") { order.all == ["a begins"] }
            let second = try start("b")
            first.cancel()
            try await first.value
            // At once, though the lease would last for a minute.
            try await eventually("b leads") { order.all.last == "b begins" }
            #expect(order.all == ["a begins", "a ends", "b begins"])
            #expect(holder(cluster) == "b")
            second.cancel()
            try await second.value
            #expect(holder(cluster) == "")
        }
    }

    @Test func `its body is cancelled when the server is away, before the lease ends, and runs again`() async throws {
        try await withCluster { client, cluster in
            let begins = Counter()
            let ends = Collected<ContinuousClock.Instant>()
            let elector = try elector(client, "a") { $0.renewDeadline = .seconds(3) }
            let task = Task {
                try await elector.run {
                    begins.add(1)
                    defer { ends.append(.now) }
                    try await Task.sleep(for: .seconds(600))
                }
            }
            try await eventually("it leads") { begins.value == 1 }
            cluster.isDown.withLock { $0 = { _ in true } }
            let away = ContinuousClock.now
            try await eventually("its body ends") { !ends.all.isEmpty }
            #expect(ends.all[0] - away < .seconds(30))
            cluster.isDown.withLock { $0 = { _ in false } }
            try await eventually("it leads again") { begins.value == 2 }
            task.cancel()
            try await task.value
        }
    }

    @Test func `a server that takes a renewal and says nothing does not cost the lease while another one answers`()
        async throws
    {
        let cluster = FakeCluster()
        let begins = Counter()
        let hanging = Mutex<Int?>(nil)
        @Sendable func answer(_ request: FakeRequest, _ server: Int) async throws -> FakeResponse {
            if hanging.withLock({ $0 }) == server { try await Task.sleep(for: .seconds(600)) }
            return try await cluster.answer(request)
        }
        try await FakeServer.with {
            try await answer($0, 0)
        } _: { first in
            try await FakeServer.with {
                try await answer($0, 1)
            } _: { second in
                let both = ClusterConfiguration(servers: [.loopback(first.port), .loopback(second.port)])
                try await APIClient.with(both, options: .test(), logger: quiet) { client in
                    let elector = try elector(client, "a") { $0.renewDeadline = .seconds(10) }
                    let task = Task {
                        try await elector.run {
                            begins.add(1)
                            try await Task.sleep(for: .seconds(600))
                        }
                    }
                    try await eventually("it leads") { begins.value > 0 }
                    let current = client.transport.currentServer
                    let other = current == 0 ? second : first
                    let before = (begins: begins.value, requests: other.requests.count)
                    hanging.withLock { $0 = current }
                    try await eventually("the other one is asked") { other.requests.count > before.requests + 3 }
                    // Who has lost it reads it first.
                    let requests = other.requests.dropFirst(before.requests)
                    #expect(requests.map(\.method).allSatisfy { $0 == "PATCH" }, "it led all the time")
                    #expect(begins.value == before.begins)
                    task.cancel()
                    try await task.value
                }
            }
        }
    }

    @Test func `its body is cancelled when another one has the lease`() async throws {
        try await withCluster { client, cluster in
            let events = Collected<String>()
            let elector = try elector(client, "a")
            let task = Task {
                try await elector.run {
                    events.append("begins")
                    defer { events.append("ends") }
                    try await Task.sleep(for: .seconds(600))
                }
            }
            try await eventually("it leads") { events.all == ["begins"] }
            struct Steal: Encodable {
                let spec = KubeLease.Spec(holderIdentity: "thief", leaseDurationSeconds: 3_600)
            }
            try await client.patch(KubeLease.resource, "operator", namespace: "kube-system", changes: Steal())
            try await eventually("its body ends") { events.all == ["begins", "ends"] }
            #expect(holder(cluster) == "thief")
            task.cancel()
            try await task.value
            // What is another's is not released.
            #expect(holder(cluster) == "thief")
        }
    }

    @Test func `two at once make the lease, one gets it`() async throws {
        try await withCluster { client, _ in
            let running = Counter()
            let most = Collected<Int>()
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<5 {
                    let elector = try elector(client, "c\(number)") { $0.leaseDuration = .seconds(30) }
                    group.addTask {
                        try await elector.run {
                            most.append(running.add(1))
                            for _ in 0..<50 { await Task.yield() }
                            running.add(-1)
                        }
                    }
                }
                try await group.waitForAll()
            }
            #expect(most.all == Array(repeating: 1, count: 5))
        }
    }

    @Test func `a shutdown ends the body and frees the lease`() async throws {
        struct Leading: Service {
            let elector: LeaderElector
            let begins: Counter

            func run() async throws {
                try await elector.run {
                    begins.add(1)
                    try await Task.sleep(for: .seconds(600))
                }
            }
        }
        try await withCluster { client, cluster in
            let begins = Counter()
            let service = Leading(elector: try elector(client, "a"), begins: begins)
            let group = ServiceGroup(
                configuration: .init(services: [.init(service: service)], gracefulShutdownSignals: [], logger: quiet))
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                try await eventually("it leads") { begins.value == 1 }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
            #expect(holder(cluster) == "")
        }
    }
}

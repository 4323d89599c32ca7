// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import NetTypes
import Synchronization
import Testing

@testable import ClusterSync

@Suite struct IdentityTests {
    private func posts(_ server: FakeServer) -> Int {
        server.requests.count { $0.method == "POST" && $0.path == Stand.identities }
    }

    /// The label sets of all identities, by number.
    private func all(_ stand: Stand) -> [String: SecurityLabels] {
        var result: [String: SecurityLabels] = [:]
        for name in stand.cluster.names(in: Stand.identities) {
            guard case .object(let flat) = stand.cluster.object("\(Stand.identities)/\(name)")?["spec"]["labels"] else {
                continue
            }
            result[name] = SecurityLabels(flat: flat.compactMapValues(\.string))
        }
        return result
    }

    @Test func `what the watch has shown is answered at once, also when nobody else answers`() async throws {
        try await Stand.withAgent(
            prepare: {
                try $0.putIdentity(900, labels("web"))
                try $0.putIdentity(700, labels("web"))
                try $0.putIdentity(800, labels("web"))
            }
        ) { stand, server, connection, world in
            try await eventually("it told") { world.now.identities.count == 3 }
            stand.goDown()
            #expect(try await connection.directory.identity(of: labels("web")) == 700)
            #expect(posts(server) == 0)
            stand.comeBack()
            stand.cluster.remove("\(Stand.identities)/700")
            try await eventually("it is gone") { world.now.identities.count == 2 }
            #expect(try await connection.directory.identity(of: labels("web")) == 800)
        }
    }

    @Test func `new labels get the number that they prefer, and keep it`() async throws {
        try await Stand.withAgent { stand, server, connection, world in
            let web = labels("web")
            let number = try await connection.directory.identity(of: web)
            #expect(number == IdentityAllocator.preferredNumber(of: web))
            #expect(all(stand) == ["\(number)": web])
            // Before the watch has shown it and after.
            #expect(try await connection.directory.identity(of: web) == number)
            try await eventually("it is shown") { world.now.identities[number] == web }
            #expect(try await connection.directory.identity(of: web) == number)
            #expect(posts(server) == 1)
        }
    }

    @Test func `a number that others have is theirs`() async throws {
        let web = labels("web")
        let preferred = IdentityAllocator.preferredNumber(of: web)
        try await Stand.withAgent(
            prepare: {
                try $0.putIdentity(preferred, labels("a"))
                try $0.putIdentity(preferred + 1, labels("b"))
            }
        ) { stand, _, connection, _ in
            let number = try await connection.directory.identity(of: web)
            #expect(number == preferred + 2)
            #expect(all(stand)["\(preferred)"] == labels("a"))
        }
    }

    @Test func `many who ask at once on one node ask the API server once`() async throws {
        try await Stand.withAgent { _, server, connection, _ in
            let numbers = try await withThrowingTaskGroup(of: IdentityNumber.self) { group in
                for _ in 0..<100 { group.addTask { try await connection.directory.identity(of: labels("web")) } }
                return try await group.reduce(into: Set()) { $0.insert($1) }
            }
            #expect(numbers.count == 1)
            #expect(posts(server) == 1)
        }
    }

    @Test(arguments: 1...5) func `many nodes that need the same labels at once end with one number`(seed: UInt64)
        async throws
    {
        let sets = (0..<6).map { labels("app-\($0)") }
        try await Stand.with { stand, server in
            // Half of the preferred numbers, and what comes behind them, are others'.
            for set in sets.prefix(3) {
                let preferred = IdentityAllocator.preferredNumber(of: set)
                for offset in 0...UInt32(seed) {
                    try stand.putIdentity(preferred + offset, labels("other-\(offset)-\(preferred)"))
                }
            }
            let random = Mutex(SeededSteps(state: seed))
            // Every request takes its time, before it is looked at.
            stand.intercept { request in
                guard request.path.hasPrefix(Stand.identities), !request.isWatch else { return }
                let (wait, breaks) = random.withLock { ($0.next(8), $0.next(12) == 0) }
                try await Task.sleep(for: .milliseconds(wait))
                if breaks { throw Abort() }
            }
            let answers = try await withThrowingTaskGroup(of: [IdentityNumber].self) { group in
                for node in 0..<12 {
                    group.addTask {
                        try await Self.ask(
                            for: node % 2 == 0 ? sets : sets.reversed(), node: "node-\(node)", on: server)
                    }
                }
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(answers.count == 12)
            for (index, set) in sets.enumerated() {
                #expect(Set(answers.map { $0[index] }).count == 1, "\(set) has one number")
            }
            #expect(all(stand).values.count { sets.contains($0) } == sets.count)
        }
    }

    /// As a node does that has just started: half of them without a watch that could help. The numbers in the order of
    /// `app-0` on.
    private static func ask(for sets: [SecurityLabels], node: String, on server: FakeServer) async throws
        -> [IdentityNumber]
    {
        let configuration = ClusterConfiguration(servers: [.loopback(server.port)], credentials: .none)
        return try await APIClient.with(configuration, options: .test(), logger: quiet) { client in
            let connection = ClusterConnection(client, settings: .test(node: node), logger: quiet)
            let source = Task { if node.utf8.last.map({ $0 % 4 == 0 }) ?? false { try await connection.source.run() } }
            defer { source.cancel() }
            return try await withThrowingTaskGroup(of: (String, IdentityNumber).self) { group in
                for set in sets {
                    group.addTask { ("\(set)", try await connection.directory.identity(of: set)) }
                }
                let numbers = try await group.reduce(into: [:]) { $0[$1.0] = $1.1 }
                source.cancel()
                _ = await source.result
                return sets.sorted { "\($0)" < "\($1)" }.compactMap { numbers["\($0)"] }
            }
        }
    }

    @Test func `while the API server is away it waits, until it has an answer or is cancelled`() async throws {
        try await Stand.withAgent { stand, server, connection, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            stand.goDown()
            let patient = Task { try await connection.directory.identity(of: labels("web")) }
            let impatient = Task { try await connection.directory.identity(of: labels("db")) }
            let follower = Task { try await connection.directory.identity(of: labels("db")) }
            try await eventually("they try") { posts(server) >= 6 }
            impatient.cancel()
            await #expect(throws: CancellationError.self) { try await impatient.value }
            stand.comeBack()
            #expect(try await patient.value == IdentityAllocator.preferredNumber(of: labels("web")))
            // Whoever waited for the one that gave up goes on himself.
            #expect(try await follower.value == IdentityAllocator.preferredNumber(of: labels("db")))
        }
    }

    @Test func `what the API server will never have is an error`() async throws {
        try await Stand.with { stand, server in
            let answer: @Sendable (FakeRequest) async throws -> FakeResponse = { request in
                request.method == "POST" ? .status(422, "Invalid", "too long") : .status(404, "NotFound")
            }
            try await withServer(answer: answer) { client, _ in
                let connection = ClusterConnection(client, settings: .test(), logger: quiet)
                let error = await #expect(throws: IdentityRefused.self) {
                    try await connection.directory.identity(of: labels("web"))
                }
                #expect(error?.description == "no identity for default: app=web: 422 Invalid: too long")
            }
        }
    }

    @Test func `an identity in use that is deleted is made again, under its number`() async throws {
        let web = labels("web")
        try await Stand.withAgent(
            prepare: {
                try $0.putNode()
                // Not the number that the labels prefer.
                try $0.putIdentity(300, web)
                try $0.putIdentity(301, labels("db"))
            }
        ) { stand, _, connection, world in
            try await eventually("it told") { world.now.identities.count == 2 }
            await connection.directory.setEndpoints([try endpoint("10.0.1.5", "web", identity: 300)])
            try await eventually("it is told of") { stand.endpoints(of: "node-1").count == 1 }
            stand.cluster.remove("\(Stand.identities)/301")
            stand.cluster.remove("\(Stand.identities)/300")
            try await eventually("it is back") { all(stand) == ["300": web] }
            try await eventually("it is shown") { world.now.identities == [300: web] }
        }
    }
}

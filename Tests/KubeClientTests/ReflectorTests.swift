import Foundation
// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import ServiceLifecycle
import Synchronization
import Testing

@testable import KubeClient

@Suite struct ReflectorTests {
    /// One answer after the other; what comes afterwards hangs until it is cancelled.
    private final class Script: Sendable {
        private let lists: Mutex<[FakeResponse]>
        private let watches: Mutex<[FakeResponse]>

        init(lists: [FakeResponse], watches: [FakeResponse]) {
            self.lists = Mutex(lists)
            self.watches = Mutex(watches)
        }

        func answer(_ request: FakeRequest) -> FakeResponse {
            func take(_ answers: inout sending [FakeResponse]) -> FakeResponse? {
                answers.isEmpty ? nil : answers.removeFirst()
            }
            let next = request.isWatch ? watches.withLock { take(&$0) } : lists.withLock { take(&$0) }
            return next ?? .chunks { _ in try await Task.sleep(for: .seconds(600)) }
        }
    }

    private func text(_ batch: ReflectorBatch<KubePod>) -> [String] {
        batch.changes.map { change in
            switch change {
            case .changed(let pod): "+\(pod.metadata.name)@\(pod.metadata.resourceVersion)"
            case .deleted(let key): "-\(key.name)"
            case .undecodable(let key, _): "?\(key.name)"
            }
        }
    }

    /// Runs a reflector against the script until `isDone` holds for what it told.
    private func follow(
        _ script: Script, settings: Reflector<KubePod>.Settings = .init(), until isDone: ([String]) -> Bool
    ) async throws -> (
        told: [String], phases: [ReflectorBatch<KubePod>.Phase], requests: [FakeRequest], sleeps: [Duration]
    ) {
        let sleeps = Sleeps()
        let batches = Collected<ReflectorBatch<KubePod>>()
        return try await withServer(options: .test(sleeps: sleeps)) {
            script.answer($0)
        } _: { client, server in
            var settings = settings
            settings.seed = 1
            let reflector = Reflector(client, KubePod.resource, settings: settings, logger: quiet) {
                batches.append($0)
            }
            let task = Task { try await reflector.run() }
            defer { task.cancel() }
            try await eventually("it told all: \(batches.all.flatMap(text))") { isDone(batches.all.flatMap(text)) }
            task.cancel()
            try await task.value
            return (batches.all.flatMap(text), batches.all.map(\.phase), server.requests, sleeps.all)
        }
    }

    private func list(_ pods: [(String, Int)], version: Int) -> FakeResponse {
        .json(podList(pods.map { podJSON($0.0, version: $0.1) }, version: version))
    }

    @Test func `the first set is told as such, then what changes`() async throws {
        let script = Script(
            lists: [list([("a", 1), ("b", 2)], version: 5)],
            watches: [
                .json(event("ADDED", podJSON("c", version: 6)) + bookmark(9)),
                .json(event("MODIFIED", podJSON("a", version: 10)) + event("DELETED", podJSON("b", version: 11))),
            ])
        let result = try await follow(script) { $0.count >= 5 }
        #expect(result.told == ["+a@1", "+b@2", "+c@6", "+a@10", "-b"])
        #expect(result.phases.prefix(3) == [.initial, .initialEnd, .live])
        #expect(result.phases.filter { $0 == .initialEnd }.count == 1)
        let watches = result.requests.filter(\.isWatch).compactMap { $0.query["resourceVersion"] }
        // The bookmark moved it on.
        #expect(watches.starts(with: ["5", "9"]))
        #expect(result.requests.first?.query["resourceVersion"] == "0")
    }

    @Test func `nothing at all is a first set too`() async throws {
        let batches = Collected<ReflectorBatch<KubePod>>()
        let script = Script(lists: [list([], version: 5)], watches: [])
        try await withServer {
            script.answer($0)
        } _: { client, _ in
            let reflector = Reflector(client, KubePod.resource, logger: quiet) { batches.append($0) }
            let task = Task { try await reflector.run() }
            try await eventually("it says so") { !batches.all.isEmpty }
            task.cancel()
            try await task.value
            #expect(batches.all == [ReflectorBatch([], phase: .initialEnd)])
        }
    }

    @Test(arguments: ["status", "event"])
    func `after 410 only what is really gone is deleted, and only at the end`(how: String) async throws {
        let gone: FakeResponse =
            how == "status"
            ? .status(410, "Expired")
            : .json(event("ERROR", "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}"))
        let script = Script(
            lists: [
                list([("a", 1), ("b", 2), ("c", 3)], version: 5),
                // Fails half way: nothing may be taken for gone.
                .chunks { write in
                    try await write("{\"metadata\":{},\"items\":[\(podJSON("a", version: 1)),")
                    throw Abort()
                },
                .status(500, "InternalError"),
                list([("a", 1), ("c", 8), ("d", 9)], version: 20),
            ], watches: [gone])
        let result = try await follow(script) { $0.contains("-b") }
        #expect(result.told == ["+a@1", "+b@2", "+c@3", "+c@8", "+d@9", "-b"])
        let lists = result.requests.filter { !$0.isWatch }
        #expect(lists.map { $0.query["resourceVersion"] } == ["0", "5", "5", "5"])
        #expect(lists.map { $0.query["resourceVersionMatch"] } == [nil] + Array(repeating: "NotOlderThan", count: 3))
        // With a limit it would come from etcd.
        #expect(lists.map { $0.query["limit"] } == ["500", nil, nil, nil])
        #expect(result.sleeps.count == 3)
    }

    @Test func `an ERROR event that is not 410 is waited out, then the watch goes on`() async throws {
        let script = Script(
            lists: [list([], version: 5)],
            watches: [
                .json(event("ADDED", podJSON("a", version: 6)) + event("ERROR", "{\"kind\":\"Status\",\"code\":500}")),
                .status(503, "ServiceUnavailable"),
                .json(event("ADDED", podJSON("b", version: 7))),
            ])
        let result = try await follow(script) { $0.contains("+b@7") }
        #expect(result.told == ["+a@6", "+b@7"])
        #expect(result.sleeps.count >= 2)
        let watches = result.requests.filter(\.isWatch).compactMap { $0.query["resourceVersion"] }
        #expect(watches.starts(with: ["5", "6", "6"]))
        #expect(result.requests.filter { !$0.isWatch }.count == 1)
    }

    @Test func `a connection that breaks within an event loses nothing`() async throws {
        let script = Script(
            lists: [list([], version: 5)],
            watches: [
                .chunks { write in
                    try await write(event("ADDED", podJSON("a", version: 6)))
                    try await write(String(event("ADDED", podJSON("b", version: 7)).prefix(60)))
                    throw Abort()
                },
                .json(event("ADDED", podJSON("b", version: 7))),
            ])
        let result = try await follow(script) { $0.contains("+b@7") }
        #expect(result.told == ["+a@6", "+b@7"])
        #expect(result.requests.filter(\.isWatch).prefix(2).compactMap { $0.query["resourceVersion"] } == ["5", "6"])
    }

    @Test func `a silent watch is replaced`() async throws {
        var settings = Reflector<KubePod>.Settings()
        settings.stall = .seconds(2)
        let script = Script(
            lists: [list([], version: 5)],
            watches: [
                .chunks { write in
                    try await write(bookmark(8))
                    try await Task.sleep(for: .seconds(600))
                },
                .json(event("ADDED", podJSON("a", version: 9))),
            ])
        let result = try await follow(script, settings: settings) { $0.contains("+a@9") }
        #expect(result.requests.filter(\.isWatch).prefix(2).compactMap { $0.query["resourceVersion"] } == ["5", "8"])
    }

    @Test func `an object that can't be understood keeps what was known, in lists and watches`() async throws {
        func broken(_ name: String, _ version: Int) -> String {
            podJSON(name, version: version).replacing("\"Running\"", with: "7")
        }
        let script = Script(
            lists: [
                .json(podList([podJSON("a", version: 1), broken("b", 2)], version: 5)),
                .json(podList([broken("a", 6), broken("b", 2), podJSON("c", version: 7)], version: 10)),
            ],
            watches: [
                .json(event("MODIFIED", broken("a", 6)) + event("ERROR", "{\"code\":410}")),
                .json(event("MODIFIED", podJSON("a", version: 11)) + event("DELETED", broken("b", 12))),
            ])
        let result = try await follow(script) { $0.contains("-b") }
        // Neither told again in the same version, nor taken for gone.
        #expect(result.told == ["+a@1", "?b", "?a", "+c@7", "+a@11", "-b"])
    }

    @Test func `pages of the first set that begin anew end with what is there`() async throws {
        let script = Script(
            lists: [
                .json(podList([podJSON("a", version: 1), podJSON("b", version: 2)], version: 5, continue: "t")),
                .status(410, "Expired"),
                list([("b", 2), ("c", 3)], version: 9),
            ], watches: [])
        let result = try await follow(script) { $0.contains("-a") }
        #expect(result.told == ["+a@1", "+b@2", "+c@3", "-a"])
        #expect(result.phases == [.initial, .initial, .initialEnd])
    }

    @Test func `a list that fails is tried again, a version that is too new from scratch`() async throws {
        let tooLarge = FakeResponse.status(
            504, "Timeout", "Too large resource version: 9, current: 5",
            details:
                "{\"causes\":[{\"reason\":\"ResourceVersionTooLarge\",\"message\":\"Too large resource version\"}]}")
        let script = Script(
            lists: [.status(500, "InternalError"), .json("nonsense"), tooLarge, list([("a", 1)], version: 5)],
            watches: [])
        let result = try await follow(script) { $0 == ["+a@1"] }
        #expect(result.requests.filter { !$0.isWatch }.map { $0.query["resourceVersion"] } == ["0", "0", "0", nil])
        #expect(result.sleeps.count == 3)
        #expect(zip(result.sleeps, result.sleeps.dropFirst()).allSatisfy { $0 * 3 > $1 })
    }

    @Test func `what the receiver throws ends it`() async throws {
        struct Enough: Error {}
        let script = Script(lists: [list([("a", 1)], version: 5)], watches: [])
        try await withServer {
            script.answer($0)
        } _: { client, _ in
            let reflector = Reflector(client, KubePod.resource, logger: quiet) { _ in throw Enough() }
            await #expect(throws: Enough.self) { try await reflector.run() }
        }
    }

    @Test func `it ends when it is told to shut down`() async throws {
        let script = Script(lists: [list([("a", 1)], version: 5)], watches: [])
        try await withServer {
            script.answer($0)
        } _: { client, server in
            let reflector = Reflector(client, KubePod.resource, logger: quiet) { _ in }
            let group = ServiceGroup(
                configuration: .init(services: [.init(service: reflector)], gracefulShutdownSignals: [], logger: quiet))
            try await withThrowingTaskGroup(of: Void.self) { tasks in
                tasks.addTask { try await group.run() }
                try await eventually("it watches") { server.requests.contains(where: \.isWatch) }
                await group.triggerGracefulShutdown()
                try await tasks.waitForAll()
            }
        }
    }
}

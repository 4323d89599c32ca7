import Foundation
// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import Testing

@testable import KubeClient

@Suite struct WatchTests {
    private func watch(
        _ client: APIClient, from version: String = "5", stall: Duration = .seconds(30)
    ) async throws -> [WatchEvent<KubePod>] {
        let events = Collected<WatchEvent<KubePod>>()
        try await client.watch(KubePod.resource, from: version, stall: stall) { batch in
            for event in batch { events.append(event) }
        }
        return events.all
    }

    private func text(_ event: WatchEvent<KubePod>) -> String {
        switch event {
        case .changed(let received): "changed \(received.key) \(received.version)"
        case .deleted(let key, let version): "deleted \(key) \(version)"
        case .bookmark(let version): "bookmark \(version)"
        case .failed(let status): "failed \(status.code)"
        }
    }

    @Test(arguments: [1, 3, 50, 100_000])
    func `events come whole however they are cut`(size: Int) async throws {
        let all =
            event("ADDED", podJSON("a", version: 6)) + "\r\n" + event("MODIFIED", podJSON("é{\\\"", version: 7))
            + event("STRANGE", "{}") + bookmark(8) + event("DELETED", podJSON("a", version: 9))
            + event("ERROR", "{\"kind\":\"Status\",\"code\":410,\"reason\":\"Expired\"}")
        try await withServer { _ in
            .chunks { write in
                var rest = all.unicodeScalars[...]
                while !rest.isEmpty {
                    try await write(String(String.UnicodeScalarView(rest.prefix(size))))
                    rest = rest.dropFirst(size)
                }
            }
        } _: { client, server in
            let events = try await watch(client)
            #expect(
                events.map(text) == [
                    "changed default/a 6", "changed default/é{\" 7", "bookmark 8", "deleted default/a 9", "failed 410",
                ])
            let query = try #require(server.requests.first?.query)
            #expect(query["watch"] == "1" && query["resourceVersion"] == "5" && query["allowWatchBookmarks"] == "true")
            #expect(query["timeoutSeconds"] == "300")
        }
    }

    @Test func `an object that can't be decoded is told by name`() async throws {
        let broken = podJSON("b", version: 7).replacing("\"Running\"", with: "[]")
        try await withServer { _ in
            .json(event("ADDED", broken) + event("ADDED", podJSON("c", version: 8)))
        } _: {
            client, _ in
            let events = try await watch(client)
            #expect(events.map(text) == ["changed default/b 7", "changed default/c 8"])
            guard case .changed(.undecodable(_, _, let problem)) = events[0] else {
                Issue.record("\(events[0])")
                return
            }
            #expect(problem == "status.phase: is not a string")
        }
    }

    @Test(arguments: [
        "{\"type\":\"ADDED\"}\n", "x\n", "{\"type\":\"ADDED\",\"object\":{\"metadata\":{}}}\n",
        "{\"type\":\"BOOKMARK\",\"object\":{}}\n",
    ])
    func `what is no event is an error, after what came before it`(line: String) async throws {
        try await withServer { _ in
            .json(event("ADDED", podJSON("a", version: 6)) + line)
        } _: { client, _ in
            let events = Collected<WatchEvent<KubePod>>()
            let error = await #expect(throws: KubeError.self) {
                try await client.watch(KubePod.resource, from: "5") { batch in
                    for event in batch { events.append(event) }
                }
            }
            guard case .badResponse = error?.cause else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(events.all.map(text) == ["changed default/a 6"])
        }
    }

    @Test(arguments: [true, false])
    func `an end in the middle of an event is an error`(isAbort: Bool) async throws {
        try await withServer { _ in
            .chunks { write in
                try await write(event("ADDED", podJSON("a", version: 6)) + "{\"type\":\"ADD")
                if isAbort { throw Abort() }
            }
        } _: { client, _ in
            let error = await #expect(throws: KubeError.self) { try await watch(client) }
            guard case .interrupted = error?.cause else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func `a watch that says nothing is given up`() async throws {
        try await withServer { _ in
            .chunks { write in
                try await write(bookmark(6))
                try await Task.sleep(for: .seconds(60))
            }
        } _: { client, _ in
            let error = await #expect(throws: KubeError.self) {
                try await watch(client, stall: .milliseconds(200))
            }
            #expect(error?.cause == .timedOut(.milliseconds(200)))
        }
    }

    @Test func `a receiver that takes long is not taken for a silent server`() async throws {
        let received = Counter()
        try await withServer { _ in
            .chunks { write in
                try await write(bookmark(6))
                try await eventually("it came in") { received.value == 1 }
                // Waits behind the first one.
                try await write(bookmark(7))
                try await eventually("the second came in") { received.value == 2 }
            }
        } _: { client, _ in
            try await client.watch(KubePod.resource, from: "5", stall: .seconds(2)) { _ in
                let start = ContinuousClock.now
                guard received.add(1) == 1 else { return }
                while start.duration(to: .now) < .seconds(3) { try await Task.sleep(for: .milliseconds(20)) }
            }
            #expect(received.value == 2)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import Testing

@testable import KubeClient

@Suite struct ListTests {
    @Test func `pages are asked for one after the other`() async throws {
        try await withServer { request in
            switch request.query["continue"] {
            case nil:
                .json(podList([podJSON("a", version: 1), podJSON("b", version: 2)], version: 10, continue: "t/1="))
            case "t/1=": .json(podList([podJSON("c", version: 3)], version: 10, continue: "t2"))
            default: .json(podList([podJSON("d", version: 4)], version: 10))
            }
        } _: { client, server in
            var names: [String] = []
            let selection = ObjectSelection(
                namespace: "x", labelSelector: "app in (a,b)", fieldSelector: KubePod.fieldSelector(node: "n"))
            let version = try await client.list(KubePod.resource, selection, freshness: .any, pageSize: 2) { part in
                if case .objects(let objects) = part { names += objects.map(\.key.name) }
            }
            #expect(names == ["a", "b", "c", "d"])
            #expect(version == "10")
            #expect(server.requests.map(\.path) == Array(repeating: "/api/v1/namespaces/x/pods", count: 3))
            let common = ["labelSelector": "app in (a,b)", "fieldSelector": "spec.nodeName=n", "limit": "2"]
            #expect(
                server.requests.map(\.query) == [
                    common.merging(["resourceVersion": "0"]) { $1 }, common.merging(["continue": "t/1="]) { $1 },
                    common.merging(["continue": "t2"]) { $1 },
                ])
        }
    }

    @Test func `a list that can't be continued begins anew, whole`() async throws {
        try await withServer { request in
            if request.query["continue"] != nil { return .status(410, "Expired", "too old") }
            if request.query["limit"] != nil {
                return .json(podList([podJSON("a", version: 1)], version: 10, continue: "t"))
            }
            return .json(podList([podJSON("b", version: 2)], version: 20))
        } _: { client, server in
            var told: [String] = []
            let version = try await client.list(KubePod.resource, pageSize: 1) { part in
                switch part {
                case .restarted: told.append("restarted")
                case .objects(let objects): told += objects.map(\.key.name)
                }
            }
            #expect(told == ["a", "restarted", "b"])
            #expect(version == "20")
            #expect(server.requests.count == 3)
        }
    }

    @Test func `a list that is gone at once is an error, not a loop`() async throws {
        try await withServer { _ in
            .status(410, "Expired")
        } _: { client, server in
            let error = await #expect(throws: KubeError.self) {
                try await client.list(KubePod.resource, freshness: .notOlderThan("7")) { _ in }
            }
            #expect(error?.isGone == true)
            #expect(server.requests.map { $0.query["resourceVersion"] } == ["7"])
            #expect(server.requests.first?.query["resourceVersionMatch"] == "NotOlderThan")
        }
    }

    @Test func `an object that can't be decoded is told by name, the others come`() async throws {
        let broken = podJSON("b", version: 2).replacing("\"Running\"", with: "7")
        try await withServer { _ in
            .json(podList([podJSON("a", version: 1), broken, podJSON("c", version: 3)], version: 9))
        } _: { client, _ in
            var told: [Received<KubePod>] = []
            _ = try await client.list(KubePod.resource) { part in
                if case .objects(let objects) = part { told += objects }
            }
            #expect(told.map(\.key.description) == ["default/a", "default/b", "default/c"])
            #expect(
                told[1]
                    == .undecodable(
                        ObjectKey(namespace: "default", name: "b"), version: "2",
                        problem: "status.phase: is not a string"))
            await #expect(throws: KubeError.self) { try await client.all(KubePod.resource) }
        }
    }

    @Test(arguments: [
        "[]", "{\"items\":[{}]}", "{\"items\":[{\"metadata\":{}}],\"metadata\":{}}", "{\"items\":[", "",
        "{\"items\":[]}",
    ])
    func `what is no list is an error`(answer: String) async throws {
        try await withServer { _ in
            .json(answer)
        } _: { client, _ in
            let error = await #expect(throws: KubeError.self) { try await client.all(KubePod.resource) }
            guard case .badResponse = error?.cause else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func `a list without items is empty`() async throws {
        try await withServer { _ in
            .json("{\"metadata\":{\"resourceVersion\":\"5\"},\"items\":null}")
        } _: { client, _ in
            let pods = try await client.all(KubePod.resource)
            #expect(pods.isEmpty)
        }
    }

    @Test func `an error of the receiver ends the list and is passed on`() async throws {
        struct Enough: Error {}
        try await withServer { _ in
            .json(podList([podJSON("a", version: 1)], version: 1))
        } _: { client, _ in
            await #expect(throws: Enough.self) {
                try await client.list(KubePod.resource) { _ in throw Enough() }
            }
        }
    }

    /// What is handed on at once is what one read from the network brought, and nothing is read meanwhile (the next test):
    /// so this is all that is in memory of 100,000 objects.
    @Test func `100,000 objects stream in, a few at a time`() async throws {
        let count = 100_000
        let padding = String(repeating: "x", count: 400)
        try await withServer { _ in
            .chunks { write in
                try await write("{\"metadata\":{\"resourceVersion\":\"1\"},\"items\":[")
                var text = ""
                for number in 0..<count {
                    text += number == 0 ? "" : ","
                    text += "{\"metadata\":{\"name\":\"p-\(number)\",\"annotations\":{\"a\":\"\(padding)\"}}}"
                    if number % 100 == 99 {
                        try await write(text)
                        text = ""
                    }
                }
                try await write(text + "]}")
            }
        } _: { client, _ in
            var seen = 0
            var most = 0
            _ = try await client.list(KubeNamespace.resource) { part in
                guard case .objects(let objects) = part else { return }
                seen += objects.count
                most = max(most, objects.count)
            }
            #expect(seen == count)
            #expect(most < 1_000)
        }
    }

    /// Nothing is read while the receiver works, so a slow one holds the server back instead of filling memory: of a
    /// thousand megabytes only what the sockets' buffers hold is taken, which is some ten at most.
    @Test func `a receiver that waits holds the server back`() async throws {
        struct Enough: Error {}
        let written = Counter()
        let item = podJSON("a", version: 1, extra: ",\"x\":\"\(String(repeating: "y", count: 100_000))\"")
        let head = """
            HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n\
            {"metadata":{},"items":[\(podJSON("first", version: 1))
            """
        try await withRawServer(.flooding(head: head, piece: "," + item, limit: 10_000, written: written)) { port in
            let configuration = ClusterConfiguration(servers: [.loopback(port)])
            try await APIClient.with(configuration, options: .test(), logger: quiet) { client in
                _ = await #expect(throws: Enough.self) {
                    try await client.list(KubePod.resource) { _ in
                        var last = -1
                        try await eventually("the server is held back") {
                            try await Task.sleep(for: .milliseconds(200))
                            let now = written.value
                            defer { last = now }
                            return now == last
                        }
                        #expect(last < 640, "pieces of 100 kB written to a reader that does not read")
                        throw Enough()
                    }
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentCore
import AgentIPC
import Dispatch
import Glibc
import Kernel
import Logging
import Model
import ServiceLifecycle
import Testing

/// The API through its socket, with the client that the plugin and the command use.
struct APITests {
    /// Serves an agent on a socket for as long as `body` runs.
    private func serving(
        _ node: TestNode, _ agent: Agent, broadcaster: EventBroadcaster = EventBroadcaster(),
        _ body: (String) async throws -> Void
    ) async throws {
        let (ready, isReady) = AsyncStream.makeStream(of: Void.self)
        var logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        logger.logLevel = .critical
        let server = APIServer(
            agent: agent, broadcaster: broadcaster, socket: node.directory.socket, clock: node.clock, logger: logger
        ) { isReady.finish() }
        let group = ServiceGroup(configuration: .init(services: [server], logger: logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                // A server that can't start must not leave the test waiting.
                defer { isReady.finish() }
                try await group.run()
            }
            for await _ in ready {}
            do {
                try await body(node.directory.socket)
            } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// Asks on a thread of its own: the client blocks.
    private func ask<Reply: Sendable>(
        _ socket: String, _ body: @escaping @Sendable (AgentClient) throws -> Reply
    ) async throws -> Reply {
        try await withCheckedThrowingContinuation { continuation in
            DispatchQueue(label: "client").async {
                continuation.resume(with: Result { try body(AgentClient(socket: socket)) })
            }
        }
    }

    @Test func `ADD, CHECK and DEL go through the socket, which only root may use`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        try await serving(node, agent) { socket in
            #expect(mode(of: socket) == 0o600)
            #expect(mode(of: socket + ".new") == nil)
            try await ask(socket) { try $0.ready() }
            let reply = try await ask(socket) { try $0.allocate(TestNode.request("a")) }
            let ifindex = node.host.addLink(reply.hostInterface)
            try await ask(socket) { try $0.attach(TestNode.key("a"), hostIfindex: ifindex) }
            let info = try await ask(socket) { try $0.endpoint(TestNode.key("a")) }
            #expect(info?.state == .ready)
            #expect(info?.ipv4 == reply.ipv4)
            #expect(info?.hostIfindex == ifindex)
            #expect(try await ask(socket) { try $0.endpoint(TestNode.key("b")) } == nil)
            try await ask(socket) { try $0.delete(TestNode.key("a")) }
            try await ask(socket) { try $0.delete(TestNode.key("a")) }
            #expect(try await ask(socket) { try $0.endpoints() }.isEmpty)
        }
        #expect(mode(of: node.directory.socket) == nil, "no socket without an agent")
    }

    @Test func `a socket that was removed is there again, and one that is not ours is not taken for it`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        try await serving(node, agent) { socket in
            for isReplaced in [false, true] {
                try AtomicFile.remove(socket)
                if isReplaced { try AtomicFile.write([], to: socket) }
                var answers = false
                while !answers {
                    try await Task.sleep(for: .milliseconds(20))
                    answers = (try? await ask(socket) { try $0.ready() }) != nil
                }
                #expect(try await ask(socket) { try $0.endpoints() }.isEmpty)
            }
        }
        #expect(mode(of: node.directory.socket) == nil)
    }

    @Test func `garbage is collected by the list that the runtime sends`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        for name in ["a", "b"] { try await node.addPod(name, to: agent) }
        try await serving(node, agent) { socket in
            let request = GCRequest(network: "skein", keep: [TestNode.key("b")])
            let reply = try await ask(socket) { try $0.collectGarbage(request) }
            #expect(reply.removed == [TestNode.key("a")])
        }
    }

    @Test func `names with special characters arrive as they are`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        var request = TestNode.request("a")
        request.interface = "eth 0%2F?#"
        let key = EndpointKey(containerID: request.containerID, interface: request.interface)
        try await serving(node, agent) { socket in
            let sent = request
            _ = try await ask(socket) { try $0.allocate(sent) }
            #expect(try await ask(socket) { try $0.endpoint(key) }?.interface == "eth 0%2F?#")
        }
    }

    @Test func `errors say what they are, with the status for it`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        try await serving(node, agent) { socket in
            func expect(
                _ status: Int, _ code: String, _ body: @escaping @Sendable (AgentClient) throws -> Void
            ) async {
                do {
                    try await ask(socket, body)
                    Issue.record("no error")
                } catch AgentError.api(let found, let error) {
                    #expect(found == status)
                    #expect(error.code == code)
                } catch {
                    Issue.record("\(error)")
                }
            }
            let deadline = Deadline.after(.seconds(10))
            await expect(404, APIError.Code.notFound) { try $0.attach(TestNode.key("x"), hostIfindex: 1) }
            await expect(404, APIError.Code.notFound) { _ = try $0.dump(map: "nothing") }
            await expect(404, APIError.Code.notFound) { _ = try $0.call("GET", "/v2/nothing", by: deadline) }
            await expect(400, APIError.Code.badRequest) { _ = try $0.explain(from: "host", to: "world", port: "x/y") }
            await expect(400, APIError.Code.badRequest) { client in
                _ = try client.call("POST", APIPath.endpoints, body: Array(#"{"containerID": 5}"#.utf8), by: deadline)
            }
            await expect(400, APIError.Code.badRequest) { _ = try $0.call("GET", APIPath.explain, by: deadline) }
            // As much as is read, and one byte more.
            for (extra, status, code) in [(0, 400, APIError.Code.badRequest), (1, 413, APIError.Code.tooLarge)] {
                await expect(status, code) { client in
                    let body = [UInt8](repeating: UInt8(ascii: " "), count: 8 << 20 + extra)
                    _ = try client.call("POST", APIPath.gc, body: body, by: deadline)
                }
            }
        }
    }

    @Test func `an agent that is behind says so, and is not ready`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        try await node.addPod("a", to: agent, labels: ["app": "db"])
        node.kernel.fail(.apply, times: -1)
        await agent.apply([.allow(from: "web", to: "db")])
        try await serving(node, agent) { socket in
            let error = await #expect(throws: AgentError.self) { try await ask(socket) { try $0.ready() } }
            guard case .api(status: 503, let body) = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(body.code == APIError.Code.notReady)
            #expect(body.retryable)
            #expect(body.message.contains("--map-policy-rows"))
        }
    }

    @Test func `everything that a person asks is answered`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent([.allow(from: "web", to: "db")])
        try await node.addPod("db-1", to: agent, labels: ["app": "db"])
        try await serving(node, agent) { socket in
            let status = try await ask(socket) { try $0.status() }
            #expect(status.version == "test")
            #expect(status.pid == currentProcess)
            #expect(status.ready)
            #expect(status.endpoints == ["pending": 0, "ready": 1, "gone": 0])
            #expect(status.policies == 1)
            #expect(status.podRanges.map(\.used) == [1, 1])
            #expect(status.counters.newFlows == 3)
            #expect(status.epoch == 7)
            #expect(status.manifests == "/manifests")
            #expect((status.memory ?? 0) > 1_000_000)
            #expect(try await ask(socket) { try $0.policies() }.map(\.name) == ["allow"])
            #expect(try await ask(socket) { try $0.identities() }.contains { $0.podLabels == ["app": "db"] })
            #expect(try await ask(socket) { try $0.dump(map: "pods") }.rows == [["10.0.0.1"]])
            #expect(try await ask(socket) { try $0.maps() }.isEmpty)
            #expect(try await ask(socket) { try $0.denyLists() }.isEmpty)
            let answer = try await ask(socket) { try $0.explain(from: "world", to: "default/db-1", port: "80/tcp") }
            #expect(!answer.allowed)
        }
    }

    @Test func `the monitor streams events, says what was lost, and ends with the agent`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let broadcaster = EventBroadcaster(limit: 2)
        let seen = try await withThrowingTaskGroup(of: [MonitorEvent].self) { tasks in
            try await serving(node, agent, broadcaster: broadcaster) { socket in
                let (events, continuation) = AsyncStream.makeStream(of: MonitorEvent.self)
                tasks.addTask {
                    defer { continuation.finish() }
                    return try await ask(socket) { client in
                        var seen: [MonitorEvent] = []
                        try client.monitor { event, _ in
                            seen.append(event)
                            continuation.yield(event)
                            return true
                        }
                        return seen
                    }
                }
                while !broadcaster.hasReaders { await Task.yield() }
                // More at once than a buffer holds: the last ones are lost before anybody can read them.
                broadcaster.publish(try (1...5).map { try Self.line(length: $0) })
                var kinds: [MonitorEvent.Kind] = []
                for await event in events {
                    kinds.append(event.kind)
                    if kinds.count == 3 { break }
                }
                #expect(kinds == [.new, .new, .lost])
            }
            return try await tasks.next() ?? []
        }
        #expect(seen.map(\.length) == [1, 2, nil])
        #expect(seen.last?.lost == 3)
    }

    @Test func `a reader of the monitor that leaves is forgotten`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let broadcaster = EventBroadcaster()
        try await serving(node, agent, broadcaster: broadcaster) { socket in
            async let left: Void = ask(socket) { client in try client.monitor { _, _ in false } }
            while !broadcaster.hasReaders { await Task.yield() }
            broadcaster.publish(try Self.line(length: 1))
            try await left
            while broadcaster.hasReaders { await Task.yield() }
        }
    }

    @Test func `a socket that an earlier agent left is replaced`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        try #require(writeFile(node.directory.socket, "stale"))
        try #require(writeFile(node.directory.socket + ".new", "stale"))
        try await serving(node, agent) { socket in try await ask(socket) { try $0.ready() } }
    }

    private static func line(length: UInt32) throws -> String {
        let event = MonitorEvent(kind: .new, time: 0, length: length)
        return String(decoding: try JSONText.encode(event), as: UTF8.self)
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import NetTypes
import PolicyEngine
import Testing

/// An ADD that fails at any step leaves nothing behind: no number, no address, no file, no row in the kernel.
struct AgentRollbackTests {
    enum Failure: String, CaseIterable, CustomTestStringConvertible {
        case noDevice, wrongDevice, apply, setEndpoint, attach, remember

        var testDescription: String { rawValue }
    }

    @Test(arguments: Failure.allCases)
    func `an attachment that fails is undone`(failure: Failure) async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let reply = try await agent.allocate(TestNode.request("a"))
        var ifindex = failure == .noDevice ? 99 : node.host.addLink(reply.hostInterface)
        switch failure {
        case .noDevice: break
        case .wrongDevice: ifindex += 1
        case .apply: node.kernel.fail(.apply)
        case .setEndpoint: node.kernel.fail(.setEndpoint)
        case .attach: node.kernel.fail(.attach)
        case .remember: node.store.allowSaves(0)
        }
        node.advance(seconds: 5)
        let error = await #expect(throws: APIError.self) {
            try await agent.attach(TestNode.key("a"), ifindex: ifindex)
        }
        #expect(error?.message.contains("default/a") == true, "the error names the pod: \(error?.message ?? "")")

        let kernel = node.kernel.snapshot
        #expect(kernel.attached.isEmpty)
        #expect(kernel.endpoints.isEmpty)
        #expect(kernel.tables.peers[try #require(reply.ipv4)] == nil)
        #expect(kernel.tables.views.isEmpty)
        #expect(await agent.endpoints().isEmpty)
        #expect(node.folder.names(in: "run/endpoints").isEmpty)
        #expect(await agent.problems().isEmpty, "the next ADD is served")

        node.store.allowSaves(.max)
        let next = try await node.addPod("b", to: agent)
        #expect(next.ipv4 != reply.ipv4)
        #expect(node.kernel.snapshot.attached == [next.endpoint])
    }

    @Test func `a reservation that can't be written down is none`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent(endpoints: 1)
        node.store.allowSaves(0)
        await #expect(throws: APIError.self) { try await agent.allocate(TestNode.request("a")) }
        #expect(await agent.endpoints().isEmpty)
        node.store.allowSaves(.max)
        #expect(try await agent.allocate(TestNode.request("a")).endpoint == 1)
    }

    @Test func `without addresses the error names the range, and no number is lost`() async throws {
        let node = try TestNode()
        let agent = try node.makeAgent(ranges: ["10.1.0.0/30"], endpoints: 3)
        try await agent.start([])
        for name in ["a", "b"] { try await node.addPod(name, to: agent) }
        let error = await #expect(throws: APIError.self) { try await agent.allocate(TestNode.request("c")) }
        #expect(error?.code == APIError.Code.exhausted)
        #expect(error?.message.contains("10.1.0.0/30") == true)
        try await agent.delete(TestNode.key("a"))
        #expect(try await agent.allocate(TestNode.request("c")).endpoint == 3)
    }

    private static func request(_ name: String, attempt: String?) -> AllocateRequest {
        var request = TestNode.request(name)
        request.attempt = attempt
        return request
    }

    /// The runtime gave the first call up, and added the container again, with or without a deletion between.
    @Test(arguments: [true, false], [true, false])
    func `what a late call gives back is its own only`(isDeleted: Bool, isReady: Bool) async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let key = TestNode.key("a")
        let first = try await agent.allocate(Self.request("a", attempt: "1"))
        let late = node.host.addLink(first.hostInterface)
        if isDeleted { try await agent.delete(key) }
        let second = try await agent.allocate(Self.request("a", attempt: "2"))
        // Asked before, and heard after it.
        if !isReady {
            let error = await #expect(throws: APIError.self) {
                try await agent.allocate(Self.request("a", attempt: "1"))
            }
            #expect(error?.code == APIError.Code.conflict && error?.retryable == true)
        }
        let ifindex = node.host.addLink(second.hostInterface)
        if isReady { try await agent.attach(key, ifindex: ifindex, attempt: "2") }

        let error = await #expect(throws: APIError.self) {
            try await agent.attach(key, ifindex: late, attempt: "1")
        }
        #expect(error?.code == APIError.Code.conflict)
        try await agent.release(key, attempt: "1")
        try Tombstone(key, attempt: "1").write(in: node.directory.path)
        await agent.takeTombstones()
        #expect(await agent.endpoint(key)?.number == second.endpoint)
        #expect(try node.host.link(named: second.hostInterface)?.index == ifindex)

        if !isReady { try await agent.attach(key, ifindex: ifindex, attempt: "2") }
        #expect(node.kernel.snapshot.attached == [second.endpoint])
        // Nor has an agent that starts anew forgotten whose it is.
        let next = try await node.startAgent()
        try await next.release(key, attempt: "1")
        #expect(await next.endpoint(key) != nil)
        try Tombstone(key, attempt: "2").write(in: node.directory.path)
        await next.takeTombstones()
        #expect(await next.endpoint(key) == nil)
        #expect(try node.host.link(named: second.hostInterface) == nil)
    }

    @Test func `what a killed call asks after the deletion is refused`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let key = TestNode.key("a")
        try await agent.delete(key, attempt: "2")
        let error = await #expect(throws: APIError.self) {
            try await agent.allocate(Self.request("a", attempt: "1"))
        }
        #expect(error?.code == APIError.Code.conflict && error?.retryable == true)
        #expect(await agent.endpoint(key) == nil)
        // The next call of the runtime is none of those; nor is that of another container.
        _ = try await agent.allocate(Self.request("b", attempt: "1"))
        _ = try await agent.allocate(Self.request("a", attempt: "3"))
        #expect(await agent.endpoint(key) != nil)
        // Nor does an earlier deletion take away what a later call has added.
        try await agent.delete(key, attempt: "2")
        #expect(await agent.endpoint(key) != nil)
        try await agent.delete(key, attempt: "5")
        try await agent.delete(key, attempt: "4")
        await #expect(throws: APIError.self) { try await agent.allocate(Self.request("a", attempt: "45")) }
        #expect(await agent.endpoint(key) == nil)
    }

    @Test func `an attachment of what is not reserved is refused`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let error = await #expect(throws: APIError.self) {
            try await agent.attach(TestNode.key("a"), ifindex: 5)
        }
        #expect(error?.code == APIError.Code.notFound)
    }

    @Test func `a full map names itself and its setting`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let reply = try await agent.allocate(TestNode.request("a"))
        let ifindex = node.host.addLink(reply.hostInterface)
        node.kernel.fail(.apply)
        let error = await #expect(throws: APIError.self) {
            try await agent.attach(TestNode.key("a"), ifindex: ifindex)
        }
        #expect(error?.code == APIError.Code.exhausted)
        #expect(error?.message.contains("policy") == true)
        #expect(error?.message.contains("--map-policy-rows") == true)
        #expect(error?.retryable == true)
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentCore
import Datapath
import Model
import NetTypes
import PolicyEngine
import Testing

/// A datapath that is made while the source still collects what there is.
struct PrepareTests {
    private let stand: ClusterStand
    private let objects: [ResourceChange] = [
        .node("node-1", addresses: ["192.0.2.1"], ranges: ["10.1.0.0/24"]),
        .node("node-2", addresses: ["192.0.2.2"], ranges: ["10.2.0.0/24"]),
        .slice("node-2", [("10.2.0.7", 800)]),
    ]

    init() throws {
        stand = try ClusterStand()
    }

    private var kernel: FakeKernel.State { stand.node.kernel.snapshot }
    private var made: Int { kernel.calls.count { $0 == .make } }

    private func agent(_ routing: Routing = .tunnel(port: 8_472, isIPv6: false)) throws -> Agent {
        try stand.makeAgent(routing: routing)
    }

    private func startedAgentHasAll() {
        #expect(kernel.calls.filter { $0 == .make || $0 == .finishStart } == [.make, .finishStart])
        #expect(IPAddress("10.2.0.7").flatMap { kernel.tables.peers[$0] }?.identity == 800)
    }

    @Test(arguments: [Routing.native, .tunnel(port: 8_472, isIPv6: false)])
    func `the start uses it, and makes no other one`(routing: Routing) async throws {
        let agent = try agent(routing)
        try await agent.prepare()
        #expect(kernel.calls == [.make], "nothing is written to it before it is known what")
        try await agent.start(objects)
        startedAgentHasAll()
    }

    @Test func `one for a device that is there leaves the device as it is`() async throws {
        try await agent().start(objects)
        let index = try #require(kernel.overlays.last??.ifindex)
        stand.node.kernel.forgetCalls()
        stand.node.host.update { $0.overlay = nil }
        let agent = try agent()
        try await agent.prepare()
        #expect(stand.node.host.snapshot.overlay == nil, "its MTU may not be what would be guessed now")
        #expect(kernel.overlays.last??.ifindex == index)
        try await agent.start(objects)
        #expect(made == 1)
        #expect(stand.node.host.snapshot.overlay?.mtu == 1_450)
    }

    @Test func `one for a device that is gone since then is not used`() async throws {
        try await agent().start(objects)
        stand.node.kernel.forgetCalls()
        let agent = try agent()
        try await agent.prepare()
        stand.node.host.removeLink(OverlayRequest.defaultName)
        try await agent.start(objects)
        let device = try #require(stand.node.host.snapshot.links[OverlayRequest.defaultName])
        #expect(made == 2)
        #expect(kernel.overlays.last??.ifindex == device.index)
    }

    @Test func `one that is old is not used: the last agent's programs have gone on`() async throws {
        let agent = try agent()
        try await agent.prepare()
        stand.node.advance(seconds: 14)
        try await agent.start(objects)
        #expect(made == 1)

        let later = try self.agent()
        try await later.prepare()
        stand.node.advance(seconds: 16)
        try await later.start(objects)
        #expect(made == 3)
        #expect(IPAddress("10.2.0.7").flatMap { kernel.tables.peers[$0] }?.identity == 800)
    }

    @Test func `what comes after the start is not written to it again`() async throws {
        let agent = try agent()
        try await agent.prepare()
        try await agent.start(objects)
        stand.node.advance(seconds: 2)
        await agent.rebuild()
        #expect(made == 2)
    }

    @Test func `a kernel that takes no programs is told at once`() async throws {
        let agent = try agent()
        stand.node.kernel.fail(.make)
        await #expect(throws: (any Error).self) { try await agent.prepare() }
    }
}

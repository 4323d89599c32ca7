// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Model
import NetTypes
import PolicyEngine
import Testing

struct AgentLifecycleTests {
    @Test func `an ADD has its policy in the kernel before the programs are on the veth`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        node.kernel.forgetCalls()
        let reply = try await agent.allocate(TestNode.request("a"))
        #expect(reply.state == .pending)
        #expect(reply.endpoint == 1)
        #expect(reply.ipv4?.description == "10.1.0.1")
        #expect(reply.ipv6?.description == "fd00:1::1")
        #expect(reply.gateway4.description == "169.254.1.1")
        #expect(reply.gateway6.description == "fe80::1")
        #expect(reply.hostInterface == TestNode.key("a").hostInterfaceName)
        #expect(node.kernel.calls.isEmpty, "a reservation writes nothing into the kernel")

        try await agent.attach(TestNode.key("a"), ifindex: node.host.addLink(reply.hostInterface))
        #expect(node.kernel.calls == [.apply, .setEndpoint(1), .attach(1)])
        let peers = node.kernel.snapshot.tables.peers
        #expect(peers[try #require(reply.ipv4)]?.endpoint == 1)
        #expect(peers[try #require(reply.ipv6)]?.endpoint == 1)
        #expect(await agent.endpoint(TestNode.key("a"))?.state == .ready)
        #expect(node.folder.names(in: "run/endpoints").count == 1)
    }

    @Test func `how long an ADD took is known of its endpoint, and to a later agent`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        #expect(try await agent.status().adds == nil)
        for (name, attempt) in [("a", AddAttempt.name()), ("b", "1a")] {
            var request = TestNode.request(name)
            request.attempt = attempt
            let reply = try await agent.allocate(request)
            #expect(await agent.endpoint(TestNode.key(name))?.addMilliseconds == nil, "it has not come to its end")
            try await agent.attach(
                TestNode.key(name), ifindex: node.host.addLink(reply.hostInterface), attempt: attempt)
        }
        let took = try #require(await agent.endpoint(TestNode.key("a"))?.addMilliseconds)
        #expect(took < 60_000)
        #expect(await agent.endpoint(TestNode.key("b"))?.addMilliseconds == nil, "its name does not say when it began")
        #expect(try await agent.status().adds == AddTimes([took]))
        let next = try await node.startAgent()
        #expect(await next.endpoint(TestNode.key("a"))?.addMilliseconds == took)
    }

    @Test func `the same ADD again has the same reply`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let first = try await agent.allocate(TestNode.request("a"))
        #expect(try await agent.allocate(TestNode.request("a")) == first)
        let ifindex = node.host.addLink(first.hostInterface)
        try await agent.attach(TestNode.key("a"), ifindex: ifindex)
        node.kernel.forgetCalls()
        try await agent.attach(TestNode.key("a"), ifindex: ifindex)
        #expect(node.kernel.calls.isEmpty)
        var ready = first
        ready.state = .ready
        #expect(try await agent.allocate(TestNode.request("a")) == ready)
    }

    @Test func `DEL leaves nothing, and succeeds twice`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let reply = try await node.addPod("a", to: agent)
        try await agent.delete(TestNode.key("a"))
        let kernel = node.kernel.snapshot
        #expect(kernel.attached.isEmpty)
        #expect(kernel.endpoints.isEmpty)
        #expect(kernel.tables.peers[try #require(reply.ipv4)] == nil)
        #expect(node.host.snapshot.deleted == [reply.hostInterface])
        #expect(node.folder.names(in: "run/endpoints").isEmpty)
        #expect(await agent.endpoints().isEmpty)
        try await agent.delete(TestNode.key("a"))
    }

    @Test func `DEL of an unknown endpoint removes the veth that bears its name`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        node.host.addLink(TestNode.key("stray").hostInterfaceName)
        try await agent.delete(TestNode.key("stray"))
        #expect(node.host.snapshot.links.isEmpty)
    }

    @Test func `a DEL that the kernel refuses can be made again`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        try await node.addPod("a", to: agent)
        node.host.update { $0.refusesDeletion = true }
        await #expect(throws: APIError.self) { try await agent.delete(TestNode.key("a")) }
        #expect(await agent.endpoint(TestNode.key("a")) != nil, "its address must not be free yet")
        node.host.update { $0.refusesDeletion = false }
        try await agent.delete(TestNode.key("a"))
        #expect(await agent.endpoints().isEmpty)
    }

    @Test func `GC removes what the runtime does not know, of its network only`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        for name in ["a", "b"] { try await node.addPod(name, to: agent) }
        _ = try await agent.allocate(TestNode.request("other", network: "another"))
        let reply = try await agent.collectGarbage(network: "skein", keep: [TestNode.key("a")])
        #expect(reply.removed == [TestNode.key("b")])
        #expect(Set(await agent.endpoints().map(\.podName)) == ["a", "other"])
    }

    @Test func `addresses and numbers are reused last, and their connections forgotten`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent(endpoints: 2)
        let first = try await node.addPod("a", to: agent)
        try await agent.delete(TestNode.key("a"))
        let second = try await node.addPod("b", to: agent)
        #expect(second.endpoint == 2)
        #expect(second.ipv4?.description == "10.1.0.2")
        _ = await agent.sweepFlows()
        let freed = Set([first.ipv4, first.ipv6].compactMap(\.self))
        #expect(node.kernel.calls.contains(.forgetFlows(freed)))
        let third = try await agent.allocate(TestNode.request("c"))
        #expect(third.endpoint == 1)
        let error = await #expect(throws: APIError.self) { try await agent.allocate(TestNode.request("d")) }
        #expect(error?.code == APIError.Code.exhausted)
        #expect(error?.message.contains("--map-endpoints") == true)
    }

    @Test func `a reservation that is never attached expires`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let reply = try await agent.allocate(TestNode.request("a"))
        node.host.addLink(reply.hostInterface)
        try await node.addPod("b", to: agent)
        node.advance(seconds: 299)
        await agent.expireEndpoints()
        #expect(await agent.endpoints().count == 2)
        node.advance(seconds: 1)
        await agent.expireEndpoints()
        #expect(await agent.endpoints().map(\.podName) == ["b"])
        #expect(node.host.snapshot.deleted == [reply.hostInterface], "what a killed plugin left goes with it")
    }

    @Test func `a veth that vanishes takes its endpoint out of the kernel`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let reply = try await node.addPod("a", to: agent)
        let index = try #require(node.host.snapshot.links[reply.hostInterface]?.index)
        node.host.removeLink(reply.hostInterface)
        await agent.hostChanged([.linkRemoved(index: index)])
        #expect(await agent.endpoint(TestNode.key("a"))?.state == .gone)
        #expect(node.kernel.snapshot.attached.isEmpty)
        #expect(node.kernel.snapshot.tables.peers[try #require(reply.ipv4)] == nil)

        let again = try await agent.allocate(TestNode.request("a"))
        #expect(again.state == .pending)
        #expect(again.ipv4 == reply.ipv4)
        try await agent.attach(TestNode.key("a"), ifindex: node.host.addLink(again.hostInterface))
        #expect(node.kernel.snapshot.attached == [again.endpoint])
    }

    @Test func `after missed changes every device is looked for again`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let first = try await node.addPod("a", to: agent)
        try await node.addPod("b", to: agent)
        node.host.removeLink(first.hostInterface)
        await agent.hostChanged([.lost])
        #expect(await agent.endpoint(TestNode.key("a"))?.state == .gone)
        #expect(await agent.endpoint(TestNode.key("b"))?.state == .ready)
    }

    @Test func `a note of a deletion is obeyed once, also before an ADD of the same container`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        try await node.addPod("a", to: agent)
        let second = try await node.addPod("b", to: agent)
        for name in ["a", "b"] { try Tombstone(TestNode.key(name)).write(in: node.directory.path) }
        let again = try await agent.allocate(TestNode.request("a"))
        #expect(again.state == .pending)
        #expect(again.endpoint != 1, "the deleted endpoint's reservation is not the new one's")
        await agent.takeTombstones()
        #expect(await agent.endpoints().map(\.podName) == ["a"])
        #expect(node.host.snapshot.deleted.contains(second.hostInterface))
        #expect(node.folder.names(in: "run/deleted").isEmpty)
    }

    @Test(arguments: ["", "a/b", "..", ".hidden", String(repeating: "x", count: 201)])
    func `a container id that can't be a name is refused`(id: String) async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        var request = TestNode.request("a")
        request.containerID = id
        let error = await #expect(throws: APIError.self) { try await agent.allocate(request) }
        #expect(error?.code == APIError.Code.badRequest)
        #expect(error?.message.contains("containerID") == true)
    }

    @Test func `nothing is promised before the agent has started`() async throws {
        let node = try TestNode()
        let agent = try node.makeAgent()
        let error = await #expect(throws: APIError.self) { try await agent.allocate(TestNode.request("a")) }
        #expect(error?.code == APIError.Code.notReady)
        #expect(error?.retryable == true)
    }

    @Test func `a hundred ADDs at once all succeed, each with its own address`() async throws {
        let node = try TestNode()
        let agent = try await node.startAgent()
        let replies = try await withThrowingTaskGroup(of: AllocateReply.self) { group in
            for number in 0..<100 { group.addTask { try await node.addPod("pod-\(number)", to: agent) } }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(replies.map(\.endpoint)).count == 100)
        #expect(Set(replies.compactMap(\.ipv4)).count == 100)
        #expect(node.kernel.snapshot.attached.count == 100)
    }
}

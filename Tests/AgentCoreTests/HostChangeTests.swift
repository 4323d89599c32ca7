// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Model
import NetTypes
import PolicyEngine
import Testing

/// What becomes of changes of the host's network that could not be followed when they came.
struct HostChangeTests {
    private let stand: ClusterStand
    private let objects: [ResourceChange] = [
        .node("node-1", addresses: ["192.0.2.1"], ranges: ["10.1.0.0/24"]),
        .node("node-2", addresses: ["192.0.2.2"], ranges: ["10.2.0.0/24"]),
    ]

    init() throws {
        stand = try ClusterStand()
    }

    private func agent() async throws -> Agent {
        let agent = try stand.makeAgent(routing: .tunnel(port: 8_472, isIPv6: false))
        try await agent.start(objects)
        return agent
    }

    private var host: FakeHost { stand.node.host }
    private var kernel: FakeKernel { stand.node.kernel }

    @Test func `an address that could not be read is the node's as soon as it can`() async throws {
        let agent = try await agent()
        let address = try #require(IPAddress("192.0.2.99"))
        host.update { host in
            host.addresses.insert(address)
            host.addressRefusals = 2
        }
        await agent.hostChanged([.addresses])
        #expect(try await agent.status().notReady.count == 1)
        await agent.retry()
        #expect(try await agent.status().notReady.count == 1)
        await agent.retry()
        #expect(try await agent.status().notReady.isEmpty)
        #expect(try await agent.status().nodeAddresses.contains(address))
        #expect(kernel.snapshot.tables.peers[address]?.identity == ReservedIdentity.host.rawValue)
    }

    @Test func `another change does not make one forgotten that failed`() async throws {
        let agent = try await agent()
        let index = try #require(host.snapshot.links["skein_vxlan"]?.index)
        host.removeLink("skein_vxlan")
        host.update { $0.overlayRefusals = 1 }
        await agent.hostChanged([.linkRemoved(index: index)])
        #expect(host.snapshot.links["skein_vxlan"] == nil)
        await agent.hostChanged([.addresses])
        #expect(host.snapshot.links["skein_vxlan"]?.index == index)
        #expect(try await agent.status().notReady.isEmpty)
    }

    @Test func `a device that came back without its programs gets them`() async throws {
        let agent = try await agent()
        let index = try #require(host.snapshot.links["skein_vxlan"]?.index)
        host.removeLink("skein_vxlan")
        kernel.fail(.attachOverlay)
        await agent.hostChanged([.linkRemoved(index: index)])
        #expect(try await agent.status().notReady.count == 1)
        kernel.forgetCalls()
        await agent.retry()
        #expect(kernel.calls.contains(.attachOverlay))
        #expect(try await agent.status().notReady.isEmpty)
        kernel.forgetCalls()
        await agent.retry()
        #expect(kernel.calls.isEmpty, "there is nothing left to do")
    }

    @Test func `routes that failed are tried again also while the kernel keeps an older policy`() async throws {
        let agent = try await agent()
        let routes = host.snapshot.routes
        host.update { host in
            host.routes = []
            host.routeRefusals = routes.count
        }
        await agent.hostChanged([.routes])
        #expect(host.snapshot.routes.isEmpty)
        kernel.fail(.apply, times: -1)
        await agent.apply([
            .node("node-3", addresses: ["192.0.2.3"]), .slice("node-2", [("10.2.0.7", 800)]),
        ])
        #expect(await !agent.problems().isEmpty)
        await agent.verify()
        #expect(host.snapshot.routes == routes)
    }

    // MARK: - Pods' links

    private func podLink(_ reply: AllocateReply) throws -> PodLink {
        PodLink(
            name: reply.hostInterface, index: try #require(host.snapshot.links[reply.hostInterface]?.index),
            mac: reply.gatewayMAC, podMAC: reply.podMAC, addresses: [reply.ipv4, reply.ipv6].compactMap(\.self))
    }

    @Test func `what a pod's link lost is put back at once, and what nobody saw is found later`() async throws {
        let node = stand.node
        let agent = try await node.startAgent()
        let a = try podLink(try await node.addPod("a", to: agent))
        let b = try podLink(try await node.addPod("b", to: agent))
        host.update { $0.podLinks = [] }
        await agent.hostChanged([.podLink(index: b.index)])
        #expect(host.snapshot.podLinks == [[b]])
        await agent.hostChanged([.podLink(index: 9_999)])
        #expect(host.snapshot.podLinks.dropFirst() == [[]])
        await agent.verify()
        await agent.hostChanged([.lost])
        #expect(host.snapshot.podLinks.dropFirst(2) == [[a, b], [a, b]])
    }

    @Test func `a link that could not be looked at is tried again`() async throws {
        let node = stand.node
        let agent = try await node.startAgent()
        let a = try podLink(try await node.addPod("a", to: agent))
        host.update { state in
            state.podLinks = []
            state.podLinkRefusals = 1
        }
        await agent.hostChanged([.podLink(index: a.index)])
        #expect(try await agent.status().notReady.count == 1)
        await agent.retry()
        #expect(host.snapshot.podLinks == [[a]])
        #expect(try await agent.status().notReady.isEmpty)
    }

    @Test func `a new agent puts back what was lost while there was none`() async throws {
        let node = stand.node
        let a = try podLink(try await node.addPod("a", to: try await node.startAgent()))
        host.update { $0.podLinks = [] }
        _ = try await node.startAgent()
        #expect(host.snapshot.podLinks == [[a]])
    }

    @Test func `the overlay device is set up again, and its routes with it`() async throws {
        let agent = try await agent()
        let routes = host.snapshot.routes
        host.update { state in
            state.overlay = nil
            state.routes = []
        }
        await agent.hostChanged([.overlay])
        #expect(host.snapshot.overlay != nil)
        #expect(host.snapshot.routes == routes)
    }

    @Test func `a range that was another node's does not lead there any more, nor one that was this node's to nobody`()
        async throws
    {
        let own = try #require(Prefix("10.1.0.0/24")), other = try #require(Prefix("10.2.0.0/24"))
        host.update { $0.routes = [NodeRoute(destination: own, link: 7), NodeRoute(toNobody: other)] }
        _ = try await agent()
        let routes = host.snapshot.routes
        #expect(routes.filter { $0.destination == own } == [NodeRoute(toNobody: own)])
        #expect(routes.filter { $0.destination == other }.map { $0.link == nil } == [false])
    }

    @Test func `addresses that no pod has are nobody's, but those of a network that a device is on`() async throws {
        let own = try #require(Prefix("10.1.0.0/24"))
        _ = try await agent()
        #expect(host.snapshot.routes.contains(NodeRoute(toNobody: own)))
        let other = try ClusterStand()
        other.node.host.update { $0.neighbours[own.address] = 7 }
        let agent = try other.makeAgent(routing: .tunnel(port: 8_472, isIPv6: false))
        try await agent.start(objects)
        #expect(!other.node.host.snapshot.routes.contains(NodeRoute(toNobody: own)))
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Datapath
import Model
import NetTypes
import PolicyEngine
import Testing

/// How an agent reaches the other nodes' pods.
struct ClusterNodeTests {
    private static let tunnel = Routing.tunnel(port: 8_472, isIPv6: false)
    private let stand: ClusterStand
    private let objects: [ResourceChange] = [
        .node("node-1", addresses: ["192.0.2.1", "2001:db8::1"], ranges: ["10.1.0.0/24", "fd00:1::/64"]),
        .node("node-2", addresses: ["2001:db8::2", "192.0.2.2"], ranges: ["10.2.0.0/24", "fd00:2::/64"]),
    ]

    init() throws {
        stand = try ClusterStand()
    }

    private func agent(_ routing: Routing?, _ more: [ResourceChange] = []) async throws -> Agent {
        let agent = try stand.makeAgent(routing: routing)
        try await agent.start(objects + more)
        return agent
    }

    private var kernel: FakeKernel.State { stand.node.kernel.snapshot }
    private var host: FakeHost.State { stand.node.host.snapshot }
    private func node(at address: String) -> UInt32? { IPAddress(address).flatMap { kernel.tables.peers[$0]?.node } }
    private func tunnel(to address: String) throws -> IPAddress? { kernel.nodes[try #require(node(at: address))] }

    @Test func `pods and processes of other nodes are behind tunnels to their address of the tunnels' family`()
        async throws
    {
        let agent = try await agent(Self.tunnel, [.slice("node-2", [("10.2.0.7", 800)])])
        #expect(try tunnel(to: "10.2.0.7") == IPAddress("192.0.2.2"))
        #expect(try tunnel(to: "2001:db8::2") == IPAddress("192.0.2.2"))
        #expect(node(at: "192.0.2.1") == nil || node(at: "192.0.2.1") == 0, "this node is not behind a tunnel")
        let overlay = try #require(kernel.overlays.last ?? nil)
        #expect(overlay == OverlayDevice(name: "skein_vxlan", ifindex: overlay.ifindex, port: 8_472, isIPv6: false))
        #expect(
            host.routesByDevices == [
                NodeRoute(
                    destination: try #require(Prefix("10.2.0.0/24")), link: overlay.ifindex,
                    source: IPAddress("192.0.2.1")),
                NodeRoute(
                    destination: try #require(Prefix("fd00:2::/64")), link: overlay.ifindex,
                    source: IPAddress("2001:db8::1")),
            ])

        await agent.apply([.node("node-2", addresses: ["192.0.2.22"], ranges: ["10.2.0.0/24"])])
        #expect(try tunnel(to: "10.2.0.7") == IPAddress("192.0.2.22"))
        #expect(kernel.nodes.values.sorted() == [try #require(IPAddress("192.0.2.22"))], "the old one is cleared")
        #expect(host.routesByDevices.map(\.destination) == [try #require(Prefix("10.2.0.0/24"))])
        await agent.apply([.goneNode("node-2")])
        #expect(kernel.nodes.isEmpty && host.routesByDevices.isEmpty)
    }

    @Test func `the kernel knows where a node is before anything is on it`() async throws {
        let agent = try await agent(Self.tunnel)
        stand.node.kernel.forgetCalls()
        await agent.apply([
            .slice("node-3", [("10.3.0.7", 800)]), .node("node-3", addresses: ["192.0.2.3"], ranges: ["10.3.0.0/24"]),
        ])
        let number = try #require(node(at: "10.3.0.7"))
        let calls = kernel.calls.filter { $0 == .apply || $0 == .setNode(number, IPAddress("192.0.2.3")) }
        #expect(calls == [.setNode(number, IPAddress("192.0.2.3")), .apply])
        stand.node.kernel.forgetCalls()
        await agent.apply([.goneNode("node-3")])
        #expect(kernel.calls.filter { $0 == .apply || $0 == .setNode(number, nil) } == [.apply, .setNode(number, nil)])
    }

    @Test(arguments: [(false, UInt32(1_450)), (true, 1_430)])
    func `pods leave room for the tunnel`(isIPv6: Bool, mtu: UInt32) async throws {
        stand.node.host.update { $0.linkMTUs[IPAddress("192.0.2.1") ?? .unspecifiedIPv4] = 1_500 }
        stand.node.host.update { $0.mtu = 9_000 }
        _ = try await agent(.tunnel(port: 4_789, isIPv6: isIPv6))
        #expect(host.overlay == OverlayRequest(port: 4_789, mtu: mtu))
    }

    @Test func `a node beyond the map's size is spoken of, and reached when there is room`() async throws {
        let agent = try stand.makeAgent(routing: Self.tunnel, nodes: 2)
        try await agent.start(objects)
        await agent.apply([
            .node("node-3", addresses: ["192.0.2.3"], ranges: ["10.3.0.0/24"]), .slice("node-3", [("10.3.0.7", 800)]),
        ])
        let problem = "map nodes is full (made for 2), nodes without a tunnel: 1; raise map-nodes"
        #expect(try await agent.status().notReady == [problem])
        #expect(node(at: "10.3.0.7") == 0)
        await agent.apply([.goneNode("node-2")])
        #expect(try await agent.status().notReady.isEmpty)
        #expect(try tunnel(to: "10.3.0.7") == IPAddress("192.0.2.3"))
        #expect(host.routesByDevices.map(\.destination) == [try #require(Prefix("10.3.0.0/24"))])
    }

    private func setLinkMTU(_ mtu: UInt32) {
        stand.node.host.update { $0.linkMTUs[IPAddress("192.0.2.1") ?? .unspecifiedIPv4] = mtu }
    }

    @Test func `the own node may be told of after the start, and its device counts all the same`() async throws {
        setLinkMTU(1_400)
        stand.node.host.update { $0.mtu = 1_500 }
        let agent = try stand.makeAgent(routing: Self.tunnel)
        try await agent.start([])
        #expect(host.overlay?.mtu == 1_450, "there is only the default route to go by")
        await agent.apply([.node("node-1", ranges: ["10.1.0.0/24"])])
        #expect(await agent.problems() == ["this node has no address yet: there is none in SkeinNode node-1"])
        await agent.apply(objects)
        #expect(await agent.problems().isEmpty)
        #expect(host.overlay?.mtu == 1_350)
        #expect(try await agent.status().mtu == 1_350)
        let overlay = try #require(kernel.overlays.last ?? nil)
        #expect(host.links["skein_vxlan"]?.index == overlay.ifindex, "it stays the device that the programs know")
    }

    @Test func `a link whose MTU changes is followed, if not at once then by the next try`() async throws {
        setLinkMTU(1_500)
        let agent = try await agent(Self.tunnel)
        #expect(host.overlay?.mtu == 1_450)
        setLinkMTU(9_000)
        await agent.hostChanged([.routes])
        #expect(host.overlay?.mtu == 8_950)
        #expect(try await agent.status().mtu == 8_950)

        setLinkMTU(1_400)
        stand.node.host.update { $0.overlayRefusals = 1 }
        await agent.hostChanged([.routes])
        #expect(host.overlay?.mtu == 8_950)
        await agent.retry()
        #expect(host.overlay?.mtu == 1_350)
        #expect(try await agent.status().mtu == 1_350)

        // Another address is the one that others know, and it is on another device.
        stand.node.host.update { $0.linkMTUs[IPAddress("192.0.2.11") ?? .unspecifiedIPv4] = 1_300 }
        await agent.apply([.node("node-1", addresses: ["192.0.2.11"], ranges: ["10.1.0.0/24"])])
        #expect(host.overlay?.mtu == 1_250)
        stand.node.host.update { $0.linkMTUs[IPAddress("192.0.2.11") ?? .unspecifiedIPv4] = 40 }
        await agent.hostChanged([.routes])
        #expect(host.overlay?.mtu == 68)
    }

    @Test func `an overlay device that is removed comes back as the programs know it`() async throws {
        let agent = try await agent(Self.tunnel)
        let index = try #require(host.links["skein_vxlan"]?.index)
        let routes = host.routesByDevices
        stand.node.host.removeLink("skein_vxlan")
        stand.node.host.update { $0.routes = [] }
        await agent.hostChanged([.linkRemoved(index: index)])
        #expect(host.links["skein_vxlan"]?.index == index)
        #expect(host.routesByDevices == routes)
        #expect(kernel.calls.last == .attachOverlay)
    }

    @Test func `native routing has routes over nodes of a link, and follows the links`() async throws {
        stand.node.host.update { $0.neighbours[IPAddress("192.0.2.2") ?? .unspecifiedIPv4] = 3 }
        let agent = try await agent(.native)
        let direct = NodeRoute(
            destination: try #require(Prefix("10.2.0.0/24")), link: 3, gateway: IPAddress("192.0.2.2"))
        #expect(host.routesByDevices == [direct])
        #expect(host.overlay == nil && kernel.overlays == [nil])
        #expect(node(at: "192.0.2.2") == 0)
        stand.node.host.update { $0.neighbours = [:] }
        await agent.hostChanged([.routes])
        #expect(host.routesByDevices.isEmpty, "behind a router they are the network's business")
    }

    @Test func `what an earlier agent left of other ways is taken away`() async throws {
        let stale = NodeRoute(destination: try #require(Prefix("10.9.0.0/24")), link: 5)
        stand.node.host.update { $0.routes = [stale] }
        _ = try await agent(Self.tunnel)
        #expect(!host.routesByDevices.contains(stale))
        #expect(host.routesByDevices.count == 2)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Model
import NetTypes
import Testing

@testable import AgentCore

/// A table by reference, as expectations can't change values.
private final class Numbers {
    private var table: TunnelTable

    init(limit: Int) { table = TunnelTable(limit: limit) }

    var count: Int { table.count }
    var isFull: Bool { table.isFull }
    func number(of node: String) -> UInt32 { table.number(of: node) }
    func set(_ node: String, _ address: IPAddress?) -> Bool { table.set(node, address) }
    func takeAdded() -> [TunnelTable.Write] { table.takeAdded() }
    func takeRemoved() -> [TunnelTable.Write] { table.takeRemoved() }
    func numberWaiting() -> [String] { table.numberWaiting() }
    func takeAll() -> [TunnelTable.Write] { table.takeAll() }
}

/// Where other nodes' pods are.
@Suite struct NodeRouteTests {
    private static func address(_ text: String) -> IPAddress { IPAddress(text) ?? .unspecifiedIPv4 }
    private static func prefix(_ text: String) -> Prefix { Prefix(text) ?? .allIPv4 }

    private static let own = ClusterNode(
        name: "here", addresses: [address("192.0.2.1"), address("2001:db8::1")],
        podRanges: [prefix("10.1.0.0/24")])
    private static let near = ClusterNode(
        name: "near", addresses: [address("192.0.2.2"), address("2001:db8::2")],
        podRanges: [prefix("10.2.0.0/24"), prefix("fd00:2::/64"), prefix("10.22.0.0/24")])
    private static let far = ClusterNode(
        name: "far", addresses: [address("198.51.100.3")], podRanges: [prefix("10.3.0.0/24"), prefix("fd00:3::/64")])

    @Test func `a node keeps its number until its address is another one`() {
        let table = Numbers(limit: 100)
        #expect(table.number(of: "near") == 0)
        #expect(table.set("near", Self.address("192.0.2.2")))
        #expect(table.set("far", Self.address("198.51.100.3")))
        let (near, far) = (table.number(of: "near"), table.number(of: "far"))
        #expect(near != far && near != 0 && far != 0)
        #expect(table.takeAdded().map(\.number) == [near, far])
        #expect(!table.set("near", Self.address("192.0.2.2")))
        #expect(table.takeAdded().isEmpty)

        #expect(table.set("near", Self.address("192.0.2.9")))
        #expect(![0, near, far].contains(table.number(of: "near")), "flows would go on to the old address")
        #expect(table.takeRemoved().map(\.number) == [near])
        #expect(table.set("near", nil))
        #expect(table.number(of: "near") == 0)
        #expect(!table.set("near", nil))
        #expect(table.count == 1)
    }

    @Test func `numbers are given away again when nothing names them, the longest free first`() {
        let table = Numbers(limit: 4)
        for (index, name) in ["a", "b", "c"].enumerated() {
            #expect(table.set(name, IPAddress(v4: 0x0a00_0001 + UInt32(index))))
        }
        #expect(table.isFull)
        #expect(!table.set("d", Self.address("10.0.0.9")), "there is no number for it")
        let numbers = ["a", "b", "c"].map { table.number(of: $0) }
        #expect(table.set("b", nil))
        #expect(table.set("a", nil))
        #expect(!table.set("d", Self.address("10.0.0.9")), "what is removed may still be named")
        _ = table.takeRemoved()
        #expect(table.set("d", Self.address("10.0.0.9")))
        #expect(table.number(of: "d") == numbers[1])
        #expect(table.takeAll().map(\.number) == [numbers[1], numbers[2]].sorted())
    }

    @Test func `nodes that got no number get one when there is one, but not those that are gone`() {
        let table = Numbers(limit: 2)
        #expect(table.set("a", Self.address("10.0.0.1")))
        for name in ["d", "c", "b"] { #expect(!table.set(name, Self.address("10.0.0.9"))) }
        #expect(table.numberWaiting().isEmpty)
        #expect(!table.set("b", nil))
        #expect(table.set("a", nil))
        #expect(table.numberWaiting().isEmpty, "what is removed may still be named")
        _ = table.takeRemoved()
        #expect(table.numberWaiting() == ["c"])
        #expect(table.number(of: "c") == 1 && table.number(of: "d") == 0)
    }

    @Test func `tunnels take all ranges of the nodes that they lead to`() {
        var tunnels = TunnelTable(limit: 100)
        _ = tunnels.set("near", Self.near.addresses[0])
        let routes = NodeRoute.byTunnel(to: [Self.near, Self.far], from: Self.own, overlay: 7, tunnels)
        #expect(
            routes == [
                NodeRoute(destination: Self.prefix("10.2.0.0/24"), link: 7, source: Self.own.addresses[0]),
                NodeRoute(destination: Self.prefix("10.22.0.0/24"), link: 7, source: Self.own.addresses[0]),
                NodeRoute(destination: Self.prefix("fd00:2::/64"), link: 7, source: Self.own.addresses[1]),
            ])
    }

    @Test func `nodes on a link are their pods' routers, of each family for itself`() {
        let links = [Self.near.addresses[0]: UInt32(3), Self.near.addresses[1]: 4]
        let routes = NodeRoute.direct(to: [Self.near, Self.far]) { links[$0] }
        #expect(
            routes == [
                NodeRoute(destination: Self.prefix("10.2.0.0/24"), link: 3, gateway: Self.near.addresses[0]),
                NodeRoute(destination: Self.prefix("10.22.0.0/24"), link: 3, gateway: Self.near.addresses[0]),
                NodeRoute(destination: Self.prefix("fd00:2::/64"), link: 4, gateway: Self.near.addresses[1]),
            ])
    }
}

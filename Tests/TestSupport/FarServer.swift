// SPDX-License-Identifier: Apache-2.0
import Kernel
package import NetTypes
import Netlink

/// A host behind the node's `World`, which is its router: it knows the node's addresses and no way to pods.
package final class FarServer: Sendable {
    package static let address4 = address("203.0.113.10")
    package static let address6 = address("2001:db8:9::10")
    package static let addresses = [address4, address6]
    /// Of the router's link to it: less than what leads to the router.
    package static let mtu: UInt32 = 1_400
    private static let router4 = address("203.0.113.1")
    private static let router6 = address("2001:db8:9::1")

    package let namespace: TestNamespace

    package init(behind world: World) throws {
        namespace = try TestNamespace()
        let outside = namespace.fd
        let up = LinkChange(isUp: true, generatesIPv6Address: false)
        try world.namespace.run {
            try Sysctl.ensure("net/ipv4/ip_forward", "1")
            try Sysctl.ensure("net/ipv6/conf/all/forwarding", "1")
        }
        try world.namespace.netlink { socket in
            let link = try socket.createVeth(
                VethEnd(name: "far", mtu: Self.mtu), peer: VethEnd(name: "eth0", mtu: Self.mtu, namespace: outside))
            try socket.perform(.setLink(.index(link.index), up))
            try socket.perform(Self.own(Self.router4, link.index))
            try socket.perform(Self.own(Self.router6, link.index))
            try socket.perform(Self.own(Self.linkLocal(1), link.index))
            // The router, too, knows no pods: nothing but a translation brings them answers.
            for pods in [TestNode.range4, TestNode.range6] {
                try socket.perform(.addRoute(Route(pods, kind: .blackhole)))
            }
        }
        try namespace.netlink { socket in
            guard let link = try socket.link(.name("eth0")) else { throw SystemError("find link", .noDevice, "eth0") }
            try socket.perform(.setLink(.index(link.index), up))
            try socket.perform(Self.own(Self.linkLocal(2), link.index))
            for (own, router, node) in [
                (Self.address4, Self.router4, World.nodeAddress4), (Self.address6, Self.router6, World.nodeAddress6),
            ] {
                try socket.perform(Self.own(own, link.index))
                guard let destination = Prefix(node, length: node.isIPv4 ? 32 : 128) else { continue }
                try socket.perform(.addRoute(Route(destination, link: link.index, gateway: router)))
            }
        }
    }

    /// Routers ask for neighbours by theirs.
    private static func linkLocal(_ host: UInt64) -> IPAddress {
        IPAddress(high: 0xfe80_0000_0000_0000, low: 0xb_0000 | host)
    }

    private static func own(_ address: IPAddress, _ link: Int32) -> NetlinkRequest {
        .addAddress(
            LinkAddress(
                link: link, address: address, prefixLength: address.isIPv4 ? 24 : 64,
                flags: address.isIPv4 ? 0 : LinkAddress.noDAD))
    }

    deinit { namespace.delete() }
}

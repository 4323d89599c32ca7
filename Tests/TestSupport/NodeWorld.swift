// SPDX-License-Identifier: Apache-2.0
import Kernel
package import NetTypes
import Netlink

/// A host outside of the cluster: a namespace beside the node, joined to it by a veth. It reaches the node's pods through
/// the node, and the node's default routes lead to it.
///
/// No packet leaves the two namespaces, so that every node of every test has the same addresses.
package final class World: Sendable {
    /// Name of the device at both ends.
    package static let device = "uplink"
    /// For documentation by RFC 5737 and RFC 3849: of nobody.
    package static let address4 = address("192.0.2.2")
    package static let address6 = address("2001:db8::2")
    package static let nodeAddress4 = address("192.0.2.1")
    package static let nodeAddress6 = address("2001:db8::1")
    /// More addresses of the host, in 198.51.100.0/24 and 2001:db8:1::/64.
    package static let others4 = [address("198.51.100.10"), address("198.51.100.200")]
    package static let others6 = [address("2001:db8:1::10"), address("2001:db8:1::200")]

    package let namespace: TestNamespace

    /// Makes the host and joins it to the namespace of a node.
    package init(joining node: TestNamespace) throws {
        namespace = try TestNamespace()
        let up = LinkChange(isUp: true, generatesIPv6Address: false)
        let outside = namespace.fd
        let link = try node.netlink { socket in
            try socket.createVeth(VethEnd(name: Self.device), peer: VethEnd(name: Self.device, namespace: outside))
        }
        try namespace.netlink { socket in
            let index = try Self.index(&socket)
            try socket.perform(.setLink(.index(index), up))
            for own in [Self.address4, Self.address6, Self.linkLocal(of: 2)] {
                try socket.perform(.addAddress(Self.inSubnet(own, link: index)))
            }
            for own in Self.others4 + Self.others6 {
                try socket.perform(.addAddress(LinkAddress(link: index, address: own, flags: LinkAddress.noDAD)))
            }
            try socket.perform(
                Self.defaultRoutes(
                    link: index, (via: Self.nodeAddress4, source: Self.address4),
                    (via: Self.nodeAddress6, source: Self.address6)))
        }
        try node.netlink { socket in
            try socket.perform(.setLink(.index(link.index), up))
            for own in [Self.nodeAddress4, Self.nodeAddress6, Self.linkLocal(of: 1)] {
                try socket.perform(.addAddress(Self.inSubnet(own, link: link.index)))
            }
            try socket.perform(
                Self.defaultRoutes(
                    link: link.index, (via: Self.address4, source: Self.nodeAddress4),
                    (via: Self.address6, source: Self.nodeAddress6)))
        }
    }

    /// Routers ask for neighbours by theirs. The kernel's own would not be usable before it has looked for duplicates.
    private static func linkLocal(of host: UInt64) -> IPAddress {
        IPAddress(high: 0xfe80_0000_0000_0000, low: 0xa_0000 | host)
    }

    private static func index(_ socket: inout NetlinkSocket) throws -> Int32 {
        guard let link = try socket.link(.name(device)) else {
            throw SystemError("find link", .noDevice, device)
        }
        return link.index
    }

    private static func inSubnet(_ own: IPAddress, link: Int32) -> LinkAddress {
        LinkAddress(
            link: link, address: own, prefixLength: own.isIPv4 ? 24 : 64,
            flags: own.isIPv4 ? 0 : LinkAddress.noDAD)
    }

    /// What a host with several addresses sends has `source`, so that answers come from where the question went.
    private static func defaultRoutes(
        link: Int32, _ routes: (via: IPAddress, source: IPAddress)...
    ) -> [NetlinkRequest] {
        routes.map { route in
            let everything = prefix(route.via.isIPv4 ? "0.0.0.0/0" : "::/0")
            return .addRoute(Route(everything, link: link, gateway: route.via, source: route.source))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Model
package import NetTypes

/// How pods of different nodes reach each other.
package enum Routing: Hashable, Sendable {
    /// In VXLAN tunnels to this UDP port, between the nodes' IPv4 or IPv6 addresses.
    case tunnel(port: UInt16, isIPv6: Bool)
    /// As they are. Nodes on the same link get routes to each other's pods; anything else is the network's business.
    case native
}

/// A route of the host to another node's pods, or one that says of addresses that nobody has them.
package struct NodeRoute: Hashable, Sendable {
    package var destination: Prefix
    /// Index of the device to leave by; nil: packets are answered as unreachable.
    package var link: UInt32?
    /// nil: whoever is behind the device takes it.
    package var gateway: IPAddress?
    /// For packets of the node's own processes.
    package var source: IPAddress?

    package init(destination: Prefix, link: UInt32, gateway: IPAddress? = nil, source: IPAddress? = nil) {
        self.destination = destination
        self.link = link
        self.gateway = gateway
        self.source = source
    }

    package init(toNobody destination: Prefix) {
        self.destination = destination
    }
}

extension Routing {
    /// What a tunnel adds to a packet: the outer IP header, UDP, VXLAN (RFC 7348, 5) and the inner Ethernet header.
    var overhead: UInt32 {
        switch self {
        case .tunnel(_, let isIPv6): isIPv6 ? 70 : 50
        case .native: 0
        }
    }

    /// The address of a node that tunnels lead to.
    func tunnelAddress(of node: ClusterNode) -> IPAddress? {
        guard case .tunnel(_, let isIPv6) = self else { return nil }
        return node.addresses.first { $0.isIPv4 != isIPv6 }
    }
}

extension NodeRoute {
    /// By the overlay device, for every node that a tunnel leads to.
    ///
    /// - Parameter own: this node; its addresses are what its processes speak under.
    static func byTunnel(
        to nodes: some Sequence<ClusterNode>, from own: ClusterNode, overlay: UInt32, _ tunnels: TunnelTable
    ) -> Set<NodeRoute> {
        var routes: Set<NodeRoute> = []
        for node in nodes where tunnels.number(of: node.name) != 0 {
            for range in node.podRanges {
                let source = own.addresses.first { $0.isIPv4 == range.isIPv4 }
                routes.insert(NodeRoute(destination: range, link: overlay, source: source))
            }
        }
        return routes
    }

    /// By the nodes themselves, where they are on a link of this node.
    ///
    /// - Parameter link: the device behind which an address is without a router between; nil: there is none.
    static func direct(
        to nodes: some Sequence<ClusterNode>, link: (IPAddress) throws -> UInt32?
    ) rethrows -> Set<NodeRoute> {
        var routes: Set<NodeRoute> = []
        for node in nodes {
            for range in node.podRanges {
                guard let gateway = node.addresses.first(where: { $0.isIPv4 == range.isIPv4 }),
                    let link = try link(gateway)
                else { continue }
                routes.insert(NodeRoute(destination: range, link: link, gateway: gateway))
            }
        }
        return routes
    }
}

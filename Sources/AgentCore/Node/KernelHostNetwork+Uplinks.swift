// SPDX-License-Identifier: Apache-2.0
package import Datapath
package import NetTypes
import Netlink

extension KernelHostNetwork {
    package func uplinks(named names: [String], leadingTo nodes: [IPAddress]) throws -> [NodeNAT.Uplink] {
        var socket = try NetlinkSocket()
        let links = try socket.links().filter { !$0.isLoopback && !HostLink($0).isPodLink && $0.mac != nil }
        let routes = try socket.routes().filter { route in
            route.destination.length == 0 && route.kind == .unicast
        }
        let joined = try socket.addresses().filter { address in
            let prefix = Prefix(address.address, length: address.prefixLength)
            return nodes.contains { $0 != address.address && prefix?.contains($0) == true }
        }
        let leaving = Set(routes.flatMap(\.links) + joined.map(\.link))
        let chosen = links.filter { names.isEmpty ? leaving.contains($0.index) : names.contains($0.name) }
        return try chosen.map { link in
            let addresses = try socket.addresses(of: link.index)
            let sources = routes.filter { $0.links.contains(link.index) }.compactMap(\.source)
            return NodeNAT.Uplink(
                name: link.name, ifindex: UInt32(bitPattern: link.index),
                ipv4: Self.source(addresses, sources) { $0.isIPv4 },
                ipv6: Self.source(addresses, sources) { !$0.isIPv4 })
        }
    }

    /// What the node's own packets to the outside would have: the default route's source, else the device's first address
    /// that the outside can answer to.
    private static func source(
        _ addresses: [LinkAddress], _ preferred: [IPAddress], _ isOfFamily: (IPAddress) -> Bool
    ) -> IPAddress? {
        let usable = addresses.filter { address in
            isOfFamily(address.address) && address.scope == .universe && !address.isPassing
        }
        if let source = preferred.first(where: isOfFamily) { return source }
        return (usable.first { !$0.address.isUniqueLocal } ?? usable.first)?.address
    }
}

extension LinkAddress {
    /// Temporary (IPv6) or secondary (IPv4), deprecated, or not yet or never to be used: bits of IFA_F_*.
    fileprivate var isPassing: Bool { flags & (0x01 | 0x08 | 0x20 | 0x40) != 0 }
}

extension IPAddress {
    /// fc00::/7.
    fileprivate var isUniqueLocal: Bool { !isIPv4 && high >> 57 == 0x7e }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Kernel
package import NetTypes
import Netlink

/// The network namespace that the agent runs in.
package struct KernelHostNetwork: HostNetwork {
    private let rcu: ExpeditedRCU

    /// - Parameter rcu: for removing devices, which waits for several grace periods.
    package init(rcu: ExpeditedRCU = ExpeditedRCU(marker: nil)) { self.rcu = rcu }

    package func links() throws -> [HostLink] {
        var socket = try NetlinkSocket()
        return try socket.links().map { HostLink($0) }
    }

    package func link(named name: String) throws -> HostLink? {
        var socket = try NetlinkSocket()
        return try socket.link(.name(name)).map { HostLink($0) }
    }

    package func linkIndex(named name: String) -> UInt32? {
        let index = unsafe if_nametoindex(name)
        return index == 0 ? nil : index
    }

    package func deleteLink(named name: String) throws {
        var socket = try NetlinkSocket()
        // Asked first, as the switch is not worth a device that is gone already.
        guard try socket.link(.name(name)) != nil else { return }
        _ = try rcu.run { try socket.deleteLink(.name(name)) }
    }

    package func deleteLink(index: UInt32, having mac: MACAddress) throws {
        var socket = try NetlinkSocket()
        let index = Int32(bitPattern: index)
        guard try socket.link(.index(index))?.mac == mac else { return }
        _ = try rcu.run { try socket.deleteLink(.index(index)) }
    }

    package func addresses() throws -> Set<IPAddress> {
        var socket = try NetlinkSocket()
        let podLinks = Set(try socket.links().filter { HostLink($0).isPodLink }.map(\.index))
        let addresses = try socket.addresses().filter { !podLinks.contains($0.link) && !$0.address.isLoopback }
        return addresses.reduce(into: []) { $0.formUnion(Self.answering($1)) }
    }

    /// An address, and what else its network makes the node answer to: broadcasts (IPv4), the routers' anycast address
    /// (RFC 4291, 2.6.1), which every node that forwards has.
    private static func answering(_ address: LinkAddress) -> [IPAddress] {
        guard let network = Prefix(address.address, length: address.prefixLength) else { return [address.address] }
        if address.address.isIPv4 {
            return network.length < 31 ? [address.address, network.address, network.lastAddress] : [address.address]
        }
        return network.length < 127 ? [address.address, network.address] : [address.address]
    }

    package func defaultMTU() throws -> UInt32? {
        var socket = try NetlinkSocket()
        let defaults = try socket.routes().filter { route in
            route.destination.length == 0 && route.kind == .unicast && !route.links.isEmpty
        }
        // IPv4's before IPv6's, then the one that packets take.
        let best = defaults.min { a, b in
            (a.destination.isIPv4 ? 0 : 1, a.metric ?? 0) < (b.destination.isIPv4 ? 0 : 1, b.metric ?? 0)
        }
        // Packets take any of its next hops.
        return try best?.links.compactMap { try socket.link(.index($0))?.mtu }.min()
    }

    package func enableForwarding() throws {
        try Sysctl.ensure("net/ipv4/ip_forward", "1")
        try SystemError.ignoring(.noEntry) { () throws(SystemError) in
            // Without IPv6 in the kernel there is nothing to forward.
            try Sysctl.ensure("net/ipv6/conf/all/forwarding", "1")
        }
    }

    package func changes() throws -> AsyncStream<HostChange> {
        let monitor = try NetlinkMonitor([.links, .ipv4Addresses, .ipv6Addresses, .ipv4Routes, .ipv6Routes])
        let known = try NetlinkSocket.currentLinks()
        return AsyncStream { continuation in
            let task = Task {
                var filter = HostChangeFilter(links: known)
                for await notification in monitor.notifications {
                    if let change = filter.change(for: notification) { continuation.yield(change) }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in
                task.cancel()
                monitor.stop()
            }
        }
    }
}

extension NetlinkSocket {
    fileprivate static func currentLinks() throws(SystemError) -> [Link] {
        var socket = try NetlinkSocket()
        return try socket.links()
    }
}

extension HostLink {
    init(_ link: Link) {
        self.init(name: link.name, index: UInt32(bitPattern: link.index), isUp: link.isUp)
    }
}

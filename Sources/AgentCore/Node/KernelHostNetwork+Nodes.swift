// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
package import NetTypes
import Netlink

/// The device could not be made as it has to be.
package struct OverlayError: Error, CustomStringConvertible {
    package let description: String
}

// Devices and routes to other nodes.
extension KernelHostNetwork {
    /// By which our routes are told from others': no number that a routing daemon is known to use (rtnetlink(7): above
    /// RTPROT_STATIC the kernel only keeps it).
    private static let routeProtocol: UInt8 = 0x5c

    package func makeOverlay(_ wanted: OverlayRequest) throws -> UInt32 {
        var socket = try NetlinkSocket()
        if let link = try socket.link(.name(wanted.name)) {
            let fits = link.vxlan == Link.VXLAN(port: wanted.port, takesKeysFromPackets: true)
            if fits, wanted.index == nil || UInt32(bitPattern: link.index) == wanted.index {
                try socket.perform(.setLink(.index(link.index), LinkChange(isUp: true, mtu: wanted.mtu)))
                return UInt32(bitPattern: link.index)
            }
            guard link.kind == "vxlan" else {
                throw OverlayError(
                    description: "device \(wanted.name) is there and no VXLAN device (\(link.kind ?? "hardware")): "
                        + "remove it")
            }
            try socket.deleteLink(.index(link.index))
        }
        let index = wanted.index.map { Int32(bitPattern: $0) } ?? 0
        try socket.perform([
            .createVXLAN(VXLANDevice(name: wanted.name, index: index, port: wanted.port, mtu: wanted.mtu)),
            .setLink(.name(wanted.name), LinkChange(generatesIPv6Address: false)),
        ])
        do {
            try socket.perform(.setLink(.name(wanted.name), LinkChange(isUp: true)))
        } catch {
            try socket.deleteLink(.name(wanted.name))
            guard error.errno == .exists || error.errno == Errno(rawValue: EADDRINUSE) else { throw error }
            throw OverlayError(
                description: "another VXLAN device or program uses UDP port \(wanted.port): choose another one with "
                    + "--tunnel-port on all nodes, or remove it")
        }
        guard let link = try socket.link(.name(wanted.name)) else {
            throw OverlayError(description: "device \(wanted.name) is gone as soon as it was made")
        }
        return UInt32(bitPattern: link.index)
    }

    package func nodeRoutes() throws -> Set<NodeRoute> {
        var socket = try NetlinkSocket()
        return Set(try socket.routes().filter { $0.protocol == Self.routeProtocol }.compactMap { NodeRoute($0) })
    }

    package func addNodeRoute(_ route: NodeRoute) throws {
        var socket = try NetlinkSocket()
        let wanted = Route(route, protocol: Self.routeProtocol)
        guard route.link != nil else { return _ = try socket.perform(.addRoute(wanted).tolerating(.exists)) }
        try socket.perform(.replaceRoute(wanted))
    }

    package func removeNodeRoute(_ route: NodeRoute) throws {
        var socket = try NetlinkSocket()
        try socket.perform(
            .deleteRoute(Route(route, protocol: Self.routeProtocol)).tolerating(.noProcess, .noDevice))
    }

    package func directLink(to address: IPAddress) throws -> UInt32? {
        var socket = try NetlinkSocket()
        guard let route = try socket.route(to: address), route.kind == .unicast, route.gateway == nil,
            let link = route.link
        else { return nil }
        return UInt32(bitPattern: link)
    }

    package func mtu(ofLinkWith address: IPAddress) throws -> UInt32? {
        var socket = try NetlinkSocket()
        guard let link = try socket.addresses().first(where: { $0.address == address })?.link else { return nil }
        return try socket.link(.index(link))?.mtu
    }
}

extension NodeRoute {
    /// nil for a kind that Skein doesn't make.
    fileprivate init?(_ route: Route) {
        switch route.kind {
        case .unicast:
            self.init(
                destination: route.destination, link: UInt32(bitPattern: route.link ?? 0), gateway: route.gateway,
                source: route.source)
        // IPv6's has the loopback device.
        case .unreachable: self.init(toNobody: route.destination)
        default: return nil
        }
    }
}

extension Route {
    /// Of a route to nobody: behind every other one to the same destination, such as that of a network that a device is on.
    private static let lastMetric: UInt32 = 0xff00_0000

    fileprivate init(_ route: NodeRoute, protocol: UInt8) {
        guard let link = route.link else {
            self.init(route.destination, kind: .unreachable, metric: Self.lastMetric, protocol: `protocol`)
            return
        }
        self.init(
            route.destination, link: Int32(bitPattern: link), gateway: route.gateway, source: route.source,
            protocol: `protocol`)
    }
}

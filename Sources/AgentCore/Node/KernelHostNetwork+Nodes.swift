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
        let routes = try socket.routes().filter { $0.protocol == Self.routeProtocol && $0.kind == .unicast }
        return Set(
            routes.map {
                NodeRoute(
                    destination: $0.destination, link: UInt32(bitPattern: $0.link ?? 0), gateway: $0.gateway,
                    source: $0.source)
            })
    }

    package func addNodeRoute(_ route: NodeRoute) throws {
        var socket = try NetlinkSocket()
        try socket.perform(.replaceRoute(Route(route, protocol: Self.routeProtocol)))
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

extension Route {
    fileprivate init(_ route: NodeRoute, protocol: UInt8) {
        self.init(
            route.destination, link: Int32(bitPattern: route.link), gateway: route.gateway, source: route.source,
            protocol: `protocol`)
    }
}

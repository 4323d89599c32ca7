// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Kernel
package import NetTypes

extension NetlinkRequest {
    /// Adds a route. EEXIST if there is one to this destination with this metric.
    package static func addRoute(_ route: Route) -> NetlinkRequest {
        request("add route", route, Int(RTM_NEWROUTE), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Adds a route, or puts it in the place of the one with its destination and metric. Idempotent.
    package static func replaceRoute(_ route: Route) -> NetlinkRequest {
        request("replace route", route, Int(RTM_NEWROUTE), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Deletes the first route that is as described. ESRCH if there is none: `.tolerating(.noProcess)`.
    package static func deleteRoute(_ route: Route) -> NetlinkRequest {
        request("delete route", route, Int(RTM_DELROUTE), 0)
    }

    private static func request(_ action: String, _ route: Route, _ type: Int, _ flags: Int32) -> NetlinkRequest {
        NetlinkRequest(action, "\(route)", type: type, flags: flags) { builder in
            var header = rtmsg()
            header.rtm_family = route.destination.address.family
            header.rtm_dst_len = UInt8(clamping: route.destination.length)
            // The header has room for the first 255 tables only.
            header.rtm_table = route.table > 255 ? UInt8(RT_TABLE_UNSPEC.rawValue) : UInt8(route.table)
            header.rtm_protocol = route.protocol
            header.rtm_scope = route.scope.rawValue
            header.rtm_type = route.kind.rawValue
            header.rtm_flags = route.isOnLink ? UInt32(RTNH_F_ONLINK) : 0
            builder.append(header)
            if route.destination.length > 0 {
                builder.attribute(Int(RTA_DST.rawValue), route.destination.address.bytes)
            }
            if let link = route.link { builder.attribute(Int(RTA_OIF.rawValue), value: link) }
            if let gateway = route.gateway { append(gateway, of: route, to: &builder) }
            if let source = route.source { builder.attribute(Int(RTA_PREFSRC.rawValue), source.bytes) }
            if let metric = route.metric { builder.attribute(Int(RTA_PRIORITY.rawValue), value: metric) }
            if let mtu = route.mtu {
                builder.nested(Int(RTA_METRICS.rawValue)) { $0.attribute(Int(RTAX_MTU), value: mtu) }
            }
            if route.table > 255 { builder.attribute(Int(RTA_TABLE.rawValue), value: route.table) }
        }
    }

    /// A gateway of the other family (IPv4 by an IPv6 router, RFC 8950) says which that is.
    private static func append(_ gateway: IPAddress, of route: Route, to builder: inout MessageBuilder) {
        if gateway.isIPv4 == route.destination.isIPv4 {
            builder.attribute(Int(RTA_GATEWAY.rawValue), gateway.bytes)
        } else {
            builder.nested(Int(RTA_VIA.rawValue)) { builder in
                builder.append(UInt16(gateway.family))
                for byte in gateway.bytes { builder.append(byte) }
            }
        }
    }

    /// Asks which way a packet to `address` would go. ENETUNREACH and the like if none.
    static func getRoute(to address: IPAddress) -> NetlinkRequest {
        NetlinkRequest("get route", "\(address)", type: Int(RTM_GETROUTE)) { builder in
            var header = rtmsg()
            header.rtm_family = address.family
            header.rtm_dst_len = UInt8(address.bitWidth)
            builder.append(header)
            builder.attribute(Int(RTA_DST.rawValue), address.bytes)
        }
    }

    static func dumpRoutes(family: Int32, table: UInt32, link: Int32?) -> NetlinkRequest {
        NetlinkRequest("list routes", "", type: Int(RTM_GETROUTE)) { builder in
            var header = rtmsg()
            header.rtm_family = UInt8(family)
            builder.append(header)
            builder.attribute(Int(RTA_TABLE.rawValue), value: table)
            if let link { builder.attribute(Int(RTA_OIF.rawValue), value: link) }
        }
    }
}

extension NetlinkSocket {
    /// The routes of one table, both families, IPv4 first; those by one link if it is given.
    package mutating func routes(
        link: Int32? = nil, table: UInt32 = Route.mainTable
    ) throws(SystemError) -> [Route] {
        var routes: [Route] = []
        for family in [AF_INET, AF_INET6] {
            do {
                let messages = try dump(.dumpRoutes(family: family, table: table, link: link))
                // A kernel that cannot filter gives all.
                routes += messages.compactMap { Route($0) }.filter {
                    $0.table == table && (link == nil || $0.link == link)
                }
            } catch {
                // A table that nobody has put a route in, or no IPv6.
                guard error.errno == .noEntry || error.errno == .notSupported else { throw error }
            }
        }
        return routes
    }

    /// The way that the namespace's own packets to `address` take; nil if there is none, as an unreachable
    /// route or none at all says.
    package mutating func route(to address: IPAddress) throws(SystemError) -> Route? {
        let unreachable = [ENETUNREACH, EHOSTUNREACH, EACCES, EINVAL, EAGAIN].map { Errno(rawValue: $0) }
        do {
            return try perform([.getRoute(to: address)]).first?.lazy.compactMap { Route($0) }.first
        } catch {
            guard unreachable.contains(error.errno) else { throw error }
            return nil
        }
    }
}

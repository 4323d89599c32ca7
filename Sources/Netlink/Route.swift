// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import NetTypes

/// A route. Ours have one next hop; others' may have several, of which only ``links`` tells.
package struct Route: Hashable, Sendable {
    /// What happens to a packet; the numbers are rtnetlink(7)'s.
    package enum Kind: UInt8, Hashable, Sendable {
        case unicast = 1
        case local = 2
        case broadcast = 3
        case anycast = 4
        case multicast = 5
        /// Dropped without a word.
        case blackhole = 6
        /// Answered with "host unreachable".
        case unreachable = 7
        /// Answered with "administratively prohibited".
        case prohibit = 8
        case `throw` = 9
    }

    package var destination: Prefix
    package var kind: Kind
    /// Index of the link to leave by; nil also of a route with several next hops.
    package var link: Int32?
    /// Of those that a route with several next hops has (RTA_MULTIPATH), in its order, a link as often as it is named.
    private var hops: [Int32] = []
    package var gateway: IPAddress?
    /// The gateway is reachable on ``link`` though no route says so.
    package var isOnLink: Bool
    /// IPv4 only. Of a host behind ``link``: `.link`; via a gateway: `.universe`.
    package var scope: RouteScope
    /// The source address for packets that begin here.
    package var source: IPAddress?
    /// Path MTU, bytes.
    package var mtu: UInt32?
    /// The lower wins. nil: 0 for IPv4, 1024 for IPv6.
    package var metric: UInt32?
    package var table: UInt32
    /// Who made it: RTPROT_*.
    package var `protocol`: UInt8

    /// Every link that packets leave by, each once.
    package var links: Set<Int32> { link.map { [$0] } ?? Set(hops) }

    package static let mainTable = UInt32(RT_TABLE_MAIN.rawValue)
    package static let localTable = UInt32(RT_TABLE_LOCAL.rawValue)

    /// `scope` nil: what `ip route` would take: link without a gateway, universe with one or for the kinds without
    /// a link, host for local ones.
    package init(
        _ destination: Prefix, kind: Kind = .unicast, link: Int32? = nil, gateway: IPAddress? = nil,
        isOnLink: Bool = false, scope: RouteScope? = nil, source: IPAddress? = nil, mtu: UInt32? = nil,
        metric: UInt32? = nil, table: UInt32 = Route.mainTable, protocol: UInt8 = UInt8(RTPROT_STATIC)
    ) {
        self.destination = destination
        self.kind = kind
        self.link = link
        self.gateway = gateway
        self.isOnLink = isOnLink
        self.scope = scope ?? Self.scope(kind, gateway, destination)
        self.source = source
        self.mtu = mtu
        self.metric = metric
        self.table = table
        self.protocol = `protocol`
    }

    private static func scope(_ kind: Kind, _ gateway: IPAddress?, _ destination: Prefix) -> RouteScope {
        switch kind {
        case .local: .host
        case .unicast: destination.isIPv4 && gateway == nil ? .link : .universe
        default: .universe
        }
    }

    /// nil for another family's (multicast, MPLS) and for a kind that is not known here.
    init?(_ message: NetlinkMessage) {
        guard let header = message.body.load(rtmsg.self), let kind = Kind(rawValue: header.rtm_type) else {
            return nil
        }
        let attributes = AttributeSet(message.body, skipping: MemoryLayout<rtmsg>.size)
        let base: IPAddress
        switch Int32(header.rtm_family) {
        case AF_INET: base = .unspecifiedIPv4
        case AF_INET6: base = .unspecifiedIPv6
        default: return nil
        }
        let address = attributes[rta: RTA_DST].flatMap { IPAddress(bytes: $0) } ?? base
        // IPv6 routes to mapped addresses have no place in a type where those are IPv4.
        guard address.isIPv4 == base.isIPv4, let destination = Prefix(address, length: Int(header.rtm_dst_len)) else {
            return nil
        }
        self.init(
            destination, kind: kind, link: attributes[rta: RTA_OIF]?.load(Int32.self),
            gateway: attributes[rta: RTA_GATEWAY].flatMap { IPAddress(bytes: $0) }
                ?? attributes[rta: RTA_VIA].flatMap { IPAddress(bytes: $0.dropFirst(2)) },
            isOnLink: header.rtm_flags & UInt32(RTNH_F_ONLINK) != 0,
            scope: RouteScope(rawValue: header.rtm_scope) ?? .universe,
            source: attributes[rta: RTA_PREFSRC].flatMap { IPAddress(bytes: $0) },
            mtu: attributes[rta: RTA_METRICS].flatMap { AttributeSet($0).uint32(Int(RTAX_MTU)) },
            metric: attributes[rta: RTA_PRIORITY]?.load(UInt32.self),
            table: attributes[rta: RTA_TABLE]?.load(UInt32.self) ?? UInt32(header.rtm_table),
            protocol: header.rtm_protocol)
        hops = attributes[rta: RTA_MULTIPATH].map(Self.links) ?? []
    }

    /// A `struct rtnexthop` after the other, each with attributes behind it, which its length counts.
    private static func links(_ hops: ArraySlice<UInt8>) -> [Int32] {
        var links: [Int32] = []
        var rest = hops
        while let hop = rest.load(rtnexthop.self), hop.rtnh_len >= MemoryLayout<rtnexthop>.size {
            links.append(hop.rtnh_ifindex)
            rest = rest.dropFirst(aligned(Int(hop.rtnh_len)))
        }
        return links
    }
}

extension Route: CustomStringConvertible {
    /// As `ip route` writes it, the link by its index.
    package var description: String {
        var text = kind == .unicast ? "\(destination)" : "\(kind) \(destination)"
        if let gateway { text += " via \(gateway)" }
        for link in link.map({ [$0] }) ?? hops { text += " dev \(link)" }
        if isOnLink { text += " onlink" }
        if let source { text += " src \(source)" }
        if table != Self.mainTable { text += " table \(table)" }
        return text
    }
}

extension AttributeSet {
    subscript(rta type: rtattr_type_t) -> ArraySlice<UInt8>? { self[Int(type.rawValue)] }
}

// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Kernel
package import NetTypes

/// How far an address or a route is valid; the numbers are rtnetlink(7)'s.
package enum RouteScope: UInt8, Hashable, Sendable {
    case universe = 0
    case site = 200
    case link = 253
    case host = 254
    case nowhere = 255
}

/// An address of a link.
package struct LinkAddress: Hashable, Sendable {
    /// Index of the link.
    package var link: Int32
    package var address: IPAddress
    /// 0...32 or 0...128: the on-link part.
    package var prefixLength: Int
    package var scope: RouteScope
    /// IFA_F_* of linux/if_addr.h.
    package var flags: UInt32

    /// Does not wait for duplicate address detection: usable at once. IPv6.
    package static let noDAD = UInt32(IFA_F_NODAD)
    /// Makes no route for the prefix.
    package static let noPrefixRoute = UInt32(IFA_F_NOPREFIXROUTE)

    /// `prefixLength` nil: of one address alone, /32 or /128.
    package init(
        link: Int32, address: IPAddress, prefixLength: Int? = nil, scope: RouteScope = .universe, flags: UInt32 = 0
    ) {
        self.link = link
        self.address = address
        self.prefixLength = prefixLength ?? address.bitWidth
        self.scope = scope
        self.flags = flags
    }

    init?(_ message: NetlinkMessage) {
        guard let header = message.body.load(ifaddrmsg.self) else { return nil }
        let attributes = AttributeSet(message.body, skipping: MemoryLayout<ifaddrmsg>.size)
        // On point-to-point links IFA_ADDRESS is the other end's.
        guard let bytes = attributes[Int(IFA_LOCAL)] ?? attributes[Int(IFA_ADDRESS)],
            let address = IPAddress(bytes: bytes)
        else { return nil }
        self.init(
            link: Int32(bitPattern: header.ifa_index), address: address, prefixLength: Int(header.ifa_prefixlen),
            scope: RouteScope(rawValue: header.ifa_scope) ?? .universe,
            flags: attributes.uint32(Int(IFA_FLAGS)) ?? UInt32(header.ifa_flags))
    }
}

extension LinkAddress: CustomStringConvertible {
    package var description: String { "\(address)/\(prefixLength) dev \(link)" }
}

extension IPAddress {
    /// AF_INET or AF_INET6.
    var family: UInt8 { UInt8(isIPv4 ? AF_INET : AF_INET6) }
}

extension NetlinkRequest {
    /// Gives a link an address. EEXIST if it has it.
    package static func addAddress(_ address: LinkAddress) -> NetlinkRequest {
        addressRequest("add address", address, Int(RTM_NEWADDR), NLM_F_CREATE | NLM_F_EXCL)
    }

    /// Gives a link an address, whether it has it or not. Idempotent.
    package static func replaceAddress(_ address: LinkAddress) -> NetlinkRequest {
        addressRequest("replace address", address, Int(RTM_NEWADDR), NLM_F_CREATE | NLM_F_REPLACE)
    }

    /// Takes an address from a link. EADDRNOTAVAIL if it has no such: `.tolerating(.addressNotAvailable)`.
    /// With its last IPv4 address a link also loses its IPv4 routes and neighbours, permanent ones included.
    package static func deleteAddress(_ address: LinkAddress) -> NetlinkRequest {
        addressRequest("delete address", address, Int(RTM_DELADDR), 0)
    }

    private static func addressRequest(
        _ action: String, _ address: LinkAddress, _ type: Int, _ flags: Int32
    ) -> NetlinkRequest {
        NetlinkRequest(action, "\(address)", type: type, flags: flags) { builder in
            var header = ifaddrmsg()
            header.ifa_family = address.address.family
            header.ifa_prefixlen = UInt8(clamping: address.prefixLength)
            header.ifa_flags = UInt8(truncatingIfNeeded: address.flags)
            header.ifa_scope = address.scope.rawValue
            header.ifa_index = UInt32(bitPattern: address.link)
            builder.append(header)
            builder.attribute(Int(IFA_LOCAL), address.address.bytes)
            builder.attribute(Int(IFA_ADDRESS), address.address.bytes)
            // The header has room for the first eight flags only.
            if address.flags > 0xff { builder.attribute(Int(IFA_FLAGS), value: address.flags) }
        }
    }

    static func dumpAddresses(of link: Int32) -> NetlinkRequest {
        NetlinkRequest("list addresses", link == 0 ? "" : "link \(link)", type: Int(RTM_GETADDR)) { builder in
            var header = ifaddrmsg()
            header.ifa_index = UInt32(bitPattern: link)
            builder.append(header)
        }
    }
}

extension NetlinkSocket {
    /// The addresses of a link, both families; of all links for nil.
    package mutating func addresses(of link: Int32? = nil) throws(SystemError) -> [LinkAddress] {
        try dump(.dumpAddresses(of: link ?? 0)).compactMap { LinkAddress($0) }
    }
}

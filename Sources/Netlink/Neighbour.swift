// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Kernel
package import NetTypes

/// An entry of a link's neighbour table: the MAC address behind an IP address.
package struct Neighbour: Hashable, Sendable {
    /// Index of the link.
    package var link: Int32
    package var address: IPAddress
    /// nil while it is being resolved, or could not be.
    package var mac: MACAddress?
    /// NUD_* of linux/neighbour.h.
    package var state: UInt16

    package static let permanent = UInt16(NUD_PERMANENT)

    /// It never expires and is never asked for.
    package var isPermanent: Bool { state & Self.permanent != 0 }

    /// A permanent entry.
    package init(link: Int32, address: IPAddress, mac: MACAddress) {
        self.link = link
        self.address = address
        self.mac = mac
        state = Self.permanent
    }

    init?(_ message: NetlinkMessage) {
        // A bridge's forwarding entries come as the same type, with its own family.
        guard let header = message.body.load(ndmsg.self), [AF_INET, AF_INET6].contains(Int32(header.ndm_family)) else {
            return nil
        }
        let attributes = AttributeSet(message.body, skipping: MemoryLayout<ndmsg>.size)
        guard let address = attributes[Int(NDA_DST)].flatMap({ IPAddress(bytes: $0) }) else { return nil }
        self.address = address
        link = header.ndm_ifindex
        state = header.ndm_state
        mac = attributes[Int(NDA_LLADDR)].flatMap { MACAddress(bytes: $0) }
    }
}

extension Neighbour: CustomStringConvertible {
    package var description: String {
        "\(address) dev \(link)" + (mac.map { " lladdr \($0)" } ?? "")
    }
}

extension NetlinkRequest {
    /// Sets an entry, whether there is one or not. Idempotent.
    package static func replaceNeighbour(_ neighbour: Neighbour) -> NetlinkRequest {
        let flags = NLM_F_CREATE | NLM_F_REPLACE
        return NetlinkRequest("replace neighbour", "\(neighbour)", type: Int(RTM_NEWNEIGH), flags: flags) { builder in
            append(neighbour.address, neighbour.link, state: neighbour.state, to: &builder)
            if let mac = neighbour.mac { builder.attribute(Int(NDA_LLADDR), mac.bytes) }
        }
    }

    /// Deletes an entry. ENOENT if there is none: `.tolerating(.noEntry)` for idempotence.
    package static func deleteNeighbour(_ address: IPAddress, link: Int32) -> NetlinkRequest {
        NetlinkRequest("delete neighbour", "\(address) dev \(link)", type: Int(RTM_DELNEIGH)) { builder in
            append(address, link, state: 0, to: &builder)
        }
    }

    private static func append(
        _ address: IPAddress, _ link: Int32, state: UInt16, to builder: inout MessageBuilder
    ) {
        var header = ndmsg()
        header.ndm_family = address.family
        header.ndm_ifindex = link
        header.ndm_state = state
        builder.append(header)
        builder.attribute(Int(NDA_DST), address.bytes)
    }

    static func dumpNeighbours(of link: Int32?) -> NetlinkRequest {
        NetlinkRequest("list neighbours", link.map { "link \($0)" } ?? "", type: Int(RTM_GETNEIGH)) { builder in
            builder.append(ndmsg())
            if let link { builder.attribute(Int(NDA_IFINDEX), value: link) }
        }
    }
}

extension NetlinkSocket {
    /// The neighbours of a link, both families; of all links for nil.
    package mutating func neighbours(of link: Int32? = nil) throws(SystemError) -> [Neighbour] {
        try dump(.dumpNeighbours(of: link)).compactMap { Neighbour($0) }.filter { link == nil || $0.link == link }
    }
}

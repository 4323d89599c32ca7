// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
import NetTypes

extension NetlinkRequest {
    /// Creates a veth pair with one queue each way, both ends down, each in its namespace under its name from the
    /// start. All or nothing. EEXIST if either name is taken.
    package static func createVeth(_ end: VethEnd, peer: VethEnd) -> NetlinkRequest {
        create(end.name, kind: "veth") { builder in
            append(end, to: &builder)
        } data: { builder in
            builder.nested(Int(CLINUX_VETH_INFO_PEER)) { builder in
                builder.append(ifinfomsg())
                builder.attribute(Int(IFLA_IFNAME), string: peer.name)
                append(peer, to: &builder)
            }
        }
    }

    /// Creates a bridge, down. EEXIST if the name is taken.
    package static func createBridge(named name: String) -> NetlinkRequest {
        create(name, kind: "bridge") { _ in
        } data: { _ in
        }
    }

    /// Creates a VXLAN device that takes where a packet goes, and under which network identifier, from the packet's own
    /// metadata (collect_md), over IPv4 and IPv6; down. It asks nobody for neighbours. EEXIST if the name or the index
    /// is taken; a second device of this sort with the same port can't be brought up.
    package static func createVXLAN(_ device: VXLANDevice) -> NetlinkRequest {
        create(device.name, kind: "vxlan", index: device.index, flags: UInt32(IFF_NOARP)) { builder in
            builder.attribute(Int(IFLA_MTU), value: device.mtu)
            if let mac = device.mac { builder.attribute(Int(IFLA_ADDRESS), mac.bytes) }
        } data: { builder in
            builder.attribute(Int(IFLA_VXLAN_COLLECT_METADATA), value: UInt8(1))
            builder.attribute(Int(IFLA_VXLAN_LEARNING), value: UInt8(0))
            builder.attribute(Int(IFLA_VXLAN_PORT), value: device.port.bigEndian)
            // UDP over IPv6 without checksums is for tunnels whose contents have their own (RFC 6935).
            builder.attribute(Int(IFLA_VXLAN_UDP_ZERO_CSUM6_TX), value: UInt8(1))
            builder.attribute(Int(IFLA_VXLAN_UDP_ZERO_CSUM6_RX), value: UInt8(1))
        }
    }

    private static func create(
        _ name: String, kind: String, index: Int32 = 0, flags: UInt32 = 0,
        _ attributes: (inout MessageBuilder) -> Void, data: (inout MessageBuilder) -> Void
    ) -> NetlinkRequest {
        NetlinkRequest("create link", name, type: Int(RTM_NEWLINK), flags: NLM_F_CREATE | NLM_F_EXCL) { builder in
            var header = ifinfomsg()
            header.ifi_index = index
            header.ifi_flags = flags
            header.ifi_change = flags
            builder.append(header)
            builder.attribute(Int(IFLA_IFNAME), string: name)
            attributes(&builder)
            builder.nested(Int(IFLA_LINKINFO)) { builder in
                builder.attribute(Int(IFLA_INFO_KIND), string: kind)
                builder.nested(Int(IFLA_INFO_DATA)) { data(&$0) }
            }
        }
    }

    private static func append(_ end: VethEnd, to builder: inout MessageBuilder) {
        builder.attribute(Int(IFLA_NUM_TX_QUEUES), value: UInt32(1))
        builder.attribute(Int(IFLA_NUM_RX_QUEUES), value: UInt32(1))
        if let mac = end.mac { builder.attribute(Int(IFLA_ADDRESS), mac.bytes) }
        if let mtu = end.mtu { builder.attribute(Int(IFLA_MTU), value: mtu) }
        if let namespace = end.namespace { builder.attribute(Int(IFLA_NET_NS_FD), value: namespace) }
    }

    /// Changes a link. Idempotent. ENODEV if there is none. A new name needs the link to be down (before 6.2).
    package static func setLink(_ link: LinkReference, _ change: LinkChange) -> NetlinkRequest {
        NetlinkRequest("change link", "\(link)", type: Int(RTM_NEWLINK)) { builder in
            var header = ifinfomsg()
            header.ifi_index = link.index
            if let isUp = change.isUp {
                header.ifi_change = UInt32(IFF_UP)
                header.ifi_flags = isUp ? UInt32(IFF_UP) : 0
            }
            builder.append(header)
            // IFLA_IFNAME finds the link without an index, and is its new name with one.
            link.appendName(to: &builder)
            if let name = change.name, case .index = link { builder.attribute(Int(IFLA_IFNAME), string: name) }
            if let mtu = change.mtu { builder.attribute(Int(IFLA_MTU), value: mtu) }
            if let mac = change.mac { builder.attribute(Int(IFLA_ADDRESS), mac.bytes) }
            if let master = change.master { builder.attribute(Int(IFLA_MASTER), value: master) }
            if let namespace = change.namespace { builder.attribute(Int(IFLA_NET_NS_FD), value: namespace) }
            if let generates = change.generatesIPv6Address {
                builder.nested(Int(IFLA_AF_SPEC)) { builder in
                    builder.nested(Int(AF_INET6)) { builder in
                        let mode = generates ? IN6_ADDR_GEN_MODE_EUI64 : IN6_ADDR_GEN_MODE_NONE
                        builder.attribute(Int(IFLA_INET6_ADDR_GEN_MODE), value: UInt8(mode.rawValue))
                    }
                }
            }
        }
    }

    /// Deletes a link, a veth with its peer. ENODEV if there is none: `.tolerating(.noDevice)` for idempotence.
    package static func deleteLink(_ link: LinkReference) -> NetlinkRequest {
        NetlinkRequest("delete link", "\(link)", type: Int(RTM_DELLINK)) { builder in
            var header = ifinfomsg()
            header.ifi_index = link.index
            builder.append(header)
            link.appendName(to: &builder)
        }
    }

    /// Asks for one link; ``Link/init(_:)`` reads the answer. ENODEV if there is none.
    package static func getLink(_ link: LinkReference) -> NetlinkRequest {
        NetlinkRequest("get link", "\(link)", type: Int(RTM_GETLINK)) { builder in
            var header = ifinfomsg()
            header.ifi_index = link.index
            builder.append(header)
            link.appendName(to: &builder)
            appendFilter(to: &builder)
        }
    }

    /// For ``NetlinkSocket/dump(_:)``.
    static func dumpLinks() -> NetlinkRequest {
        NetlinkRequest("list links", "", type: Int(RTM_GETLINK)) { builder in
            builder.append(ifinfomsg())
            appendFilter(to: &builder)
        }
    }

    /// Statistics are most of an answer, and nobody here reads them.
    private static func appendFilter(to builder: inout MessageBuilder) {
        builder.attribute(Int(IFLA_EXT_MASK), value: UInt32(RTEXT_FILTER_SKIP_STATS))
    }
}

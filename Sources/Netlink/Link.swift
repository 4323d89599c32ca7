// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import NetTypes

/// A network device as the kernel describes it.
package struct Link: Hashable, Sendable {
    /// Its number within its namespace, greater than 0.
    package let index: Int32
    package let name: String
    /// IFF_* of netdevice(7).
    package let flags: UInt32
    package let mtu: UInt32
    /// nil if it has none or one that is not six bytes long.
    package let mac: MACAddress?
    /// "veth", "bridge", ...; nil for hardware and `lo`.
    package let kind: String?
    /// The other end's or the lower device's index. It is of another namespace if ``isPeerElsewhere``.
    package let peerIndex: Int32?
    /// Whether ``peerIndex`` is a number of another namespace than this link's.
    package let isPeerElsewhere: Bool
    /// Index of the bridge or the like that it belongs to.
    package let master: Int32?
    /// Of a VXLAN device.
    package let vxlan: VXLAN?

    package struct VXLAN: Hashable, Sendable {
        /// UDP port.
        package let port: UInt16
        /// Collect metadata: where a packet goes is in its own metadata.
        package let takesKeysFromPackets: Bool

        package init(port: UInt16, takesKeysFromPackets: Bool) {
            self.port = port
            self.takesKeysFromPackets = takesKeysFromPackets
        }
    }

    package var isUp: Bool { flags & UInt32(IFF_UP) != 0 }
    package var isLoopback: Bool { flags & UInt32(IFF_LOOPBACK) != 0 }
    /// Up, and its other end or its wire too.
    package var isRunning: Bool { flags & UInt32(IFF_RUNNING) != 0 }

    /// Reads a message that describes a link. nil if it does not: a bridge also tells about its ports, by messages
    /// of the same type and its own family.
    package init?(_ message: NetlinkMessage) {
        guard let header = message.body.load(ifinfomsg.self), header.ifi_family == UInt8(AF_UNSPEC) else {
            return nil
        }
        let attributes = AttributeSet(message.body, skipping: MemoryLayout<ifinfomsg>.size)
        guard let name = attributes.string(Int(IFLA_IFNAME)) else { return nil }
        self.name = name
        index = header.ifi_index
        flags = header.ifi_flags
        mtu = attributes.uint32(Int(IFLA_MTU)) ?? 0
        mac = attributes[Int(IFLA_ADDRESS)].flatMap { MACAddress(bytes: $0) }
        let info = attributes.nested(Int(IFLA_LINKINFO))
        kind = info?.string(Int(IFLA_INFO_KIND))
        vxlan = kind == "vxlan" ? info?.nested(Int(IFLA_INFO_DATA)).flatMap { VXLAN($0) } : nil
        peerIndex = attributes.int32(Int(IFLA_LINK)).flatMap { $0 > 0 ? $0 : nil }
        isPeerElsewhere = attributes[Int(IFLA_LINK_NETNSID)] != nil
        master = attributes.int32(Int(IFLA_MASTER))
    }
}

extension Link.VXLAN {
    fileprivate init?(_ attributes: AttributeSet) {
        guard let port = attributes[Int(IFLA_VXLAN_PORT)]?.load(UInt16.self) else { return nil }
        self.init(
            port: UInt16(bigEndian: port),
            takesKeysFromPackets: attributes[Int(IFLA_VXLAN_COLLECT_METADATA)]?.first == 1)
    }
}

/// How a request says which link it means.
package enum LinkReference: Hashable, Sendable, CustomStringConvertible {
    case index(Int32)
    case name(String)

    package var description: String {
        switch self {
        case .index(let index): "link \(index)"
        case .name(let name): name
        }
    }

    var index: Int32 {
        if case .index(let index) = self { index } else { 0 }
    }

    func appendName(to builder: inout MessageBuilder) {
        if case .name(let name) = self { builder.attribute(Int(IFLA_IFNAME), string: name) }
    }
}

/// One end of a veth pair to be made.
package struct VethEnd: Sendable {
    package var name: String
    /// nil: a random one.
    package var mac: MACAddress?
    /// Bytes; nil: 1500.
    package var mtu: UInt32?
    /// A descriptor of the namespace where it shall appear; nil: the socket's. Must stay open until it is done.
    package var namespace: Int32?

    package init(name: String, mac: MACAddress? = nil, mtu: UInt32? = nil, namespace: Int32? = nil) {
        self.name = name
        self.mac = mac
        self.mtu = mtu
        self.namespace = namespace
    }
}

/// A VXLAN device to be made.
package struct VXLANDevice: Hashable, Sendable {
    package var name: String
    /// 0: the kernel chooses.
    package var index: Int32
    /// UDP port.
    package var port: UInt16
    /// Bytes of a packet within the tunnel.
    package var mtu: UInt32
    /// nil: a random one.
    package var mac: MACAddress?

    package init(name: String, index: Int32 = 0, port: UInt16, mtu: UInt32, mac: MACAddress? = nil) {
        self.name = name
        self.index = index
        self.port = port
        self.mtu = mtu
        self.mac = mac
    }
}

/// What to change of a link; nil leaves it.
package struct LinkChange: Sendable {
    package var isUp: Bool?
    package var mtu: UInt32?
    package var mac: MACAddress?
    /// A new name.
    package var name: String?
    /// Index of the bridge to join; 0 leaves it.
    package var master: Int32?
    /// A descriptor of the namespace to move to.
    package var namespace: Int32?
    /// False: the kernel gives it no link-local IPv6 address when it comes up, so nothing waits for duplicate
    /// address detection or sends router solicitations. True: the address is derived from the MAC address.
    package var generatesIPv6Address: Bool?

    package init(
        isUp: Bool? = nil, mtu: UInt32? = nil, mac: MACAddress? = nil, name: String? = nil, master: Int32? = nil,
        namespace: Int32? = nil, generatesIPv6Address: Bool? = nil
    ) {
        self.isUp = isUp
        self.mtu = mtu
        self.mac = mac
        self.name = name
        self.master = master
        self.namespace = namespace
        self.generatesIPv6Address = generatesIPv6Address
    }
}

// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// An endpoint as the datapath knows it: one veth of this node, and the addresses that may be used on it.
package struct LocalEndpoint: Hashable, Sendable {
    /// 1 up to the size of the map of endpoints; also in the gateway's MAC address on its link.
    package var number: UInt16
    /// Of the host side of the veth, in this process's network namespace.
    package var ifindex: UInt32
    package var hostInterface: String
    /// Of the pod's device.
    package var mac: MACAddress
    package var ipv4: IPAddress?
    package var ipv6: IPAddress?

    package init(
        number: UInt16, ifindex: UInt32, hostInterface: String, mac: MACAddress, ipv4: IPAddress?, ipv6: IPAddress?
    ) {
        self.number = number
        self.ifindex = ifindex
        self.hostInterface = hostInterface
        self.mac = mac
        self.ipv4 = ipv4
        self.ipv6 = ipv6
    }
}

/// What one `apply` wrote, entry by entry.
package struct ApplyReport: Hashable, Sendable {
    package var rows = 0
    package var portEntries = 0
    package var classWords = 0
    package var peers = 0
    package var prefixes = 0
    package var identities = 0
    package var views = 0
    package var removed = 0
    /// The epoch was bumped.
    package var bumped = false

    package init() {}

    /// Entries written, not counting what was removed.
    package var writes: Int { rows + portEntries + classWords + peers + prefixes + identities + views }
}

/// How long a connection may be idle, in seconds.
package struct FlowTimeouts: Hashable, Sendable {
    package var tcpEstablished = 8_000.0
    package var tcpOpening = 60.0
    package var tcpClosing = 10.0
    package var udpReplied = 60.0
    package var udp = 30.0
    package var sctp = 8_000.0
    package var icmp = 30.0

    package init() {}
}

/// One sweep over the connection table.
package struct FlowReport: Hashable, Sendable {
    /// Entries left.
    package var live = 0
    /// Idle ones deleted by this sweep.
    package var removed = 0
    /// Entries that the full table displaced since this start.
    package var evicted: UInt64 = 0

    package init() {}
}

package struct PacketCount: Hashable, Sendable {
    package var packets: UInt64
    package var bytes: UInt64
    package init(packets: UInt64, bytes: UInt64) {
        self.packets = packets
        self.bytes = bytes
    }
}

/// Sums over all CPUs since the maps were made.
package struct DatapathCounters: Sendable {
    package struct Drop: Hashable, Sendable {
        package var reason: UInt8
        package var text: String
        /// True: on the way out of a pod.
        package var fromPod: Bool
        package var count: PacketCount
    }
    package var fromPod: PacketCount
    package var toPod: PacketCount
    package var newFlows: UInt64
    package var rejudged: UInt64
    package var eventsLost: UInt64
    package var eventsLimited: UInt64
    package var drops: [Drop]
}

/// How full a map is.
package struct MapUsage: Hashable, Sendable {
    package var name: String
    package var type: String
    package var entries: Int
    package var maxEntries: Int
    /// Bytes.
    package var keySize: Int
    package var valueSize: Int
    /// The agent's flag that sizes it, "" for a map of fixed size.
    package var setting: String
    /// Charged by the kernel, 0 where it doesn't say.
    package var bytes: Int
}

/// A map's contents for people.
package struct MapDump: Sendable {
    package var columns: [String]
    package var rows: [[String]]
}

/// What a comparison of the maps with what they should be found.
package struct RepairReport: Hashable, Sendable {
    package var checked = 0
    /// One line for each entry that was put right.
    package var repaired: [String] = []
    package init() {}
}

// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// One line of `GET /v1/monitor` (newline-delimited JSON, in the order of the ring buffer).
package struct MonitorEvent: Hashable, Codable, Sendable {
    package enum Kind: String, Hashable, Codable, Sendable, CaseIterable {
        /// A packet was dropped; `reason` says why, `rule` which rule, if one.
        case drop
        /// A connection was judged and let pass.
        case new
        /// The kernel or the agent could not keep up with the reader.
        case lost
    }

    package var kind: Kind
    /// Seconds since 1970.
    package var time: Double
    /// Of the endpoint that decided.
    package var direction: PolicyDirection?
    /// nil for `lost`.
    package var source: EventPeer?
    /// nil for `lost`.
    package var destination: EventPeer?
    /// "TCP", "UDP", "SCTP", "ICMP", "ICMPv6" or a number.
    package var `protocol`: String?
    package var icmpType: UInt8?
    package var icmpCode: UInt8?
    /// As "SYN,ACK".
    package var tcpFlags: String?
    /// Why it was dropped, in words.
    package var reason: String?
    /// The Hubble API's number of the drop reason.
    package var reasonCode: UInt8?
    /// The rule that decided, as "NetworkPolicy default/web ingress rule 2"; nil: none matches or none was asked.
    package var rule: String?
    /// Host side of the veth that it was seen on.
    package var interface: String?
    /// Bytes of the packet with the Ethernet header.
    package var length: UInt32?
    /// For `lost`: how many events are missing at this place.
    package var lost: UInt64?

    package init(
        kind: Kind, time: Double, direction: PolicyDirection? = nil, source: EventPeer? = nil,
        destination: EventPeer? = nil, protocol: String? = nil, icmpType: UInt8? = nil, icmpCode: UInt8? = nil,
        tcpFlags: String? = nil, reason: String? = nil, reasonCode: UInt8? = nil, rule: String? = nil,
        interface: String? = nil, length: UInt32? = nil, lost: UInt64? = nil
    ) {
        self.kind = kind
        self.time = time
        self.direction = direction
        self.source = source
        self.destination = destination
        self.protocol = `protocol`
        self.icmpType = icmpType
        self.icmpCode = icmpCode
        self.tcpFlags = tcpFlags
        self.reason = reason
        self.reasonCode = reasonCode
        self.rule = rule
        self.interface = interface
        self.length = length
        self.lost = lost
    }
}

/// One end of a packet.
package struct EventPeer: Hashable, Codable, Sendable {
    package var address: IPAddress
    /// nil for protocols without ports.
    package var port: UInt16?
    package var identity: UInt32
    /// nil when it is not a pod of this node.
    package var endpoint: UInt16?
    /// "namespace/name", where the agent knows it.
    package var pod: String?

    package init(
        address: IPAddress, port: UInt16? = nil, identity: UInt32, endpoint: UInt16? = nil, pod: String? = nil
    ) {
        self.address = address
        self.port = port
        self.identity = identity
        self.endpoint = endpoint
        self.pod = pod
    }
}

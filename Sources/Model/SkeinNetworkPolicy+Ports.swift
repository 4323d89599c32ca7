// SPDX-License-Identifier: Apache-2.0

package import NetTypes

extension SkeinNetworkPolicy {
    /// An element of `toPorts[].ports`.
    package struct Port: Hashable, Sendable {
        /// A number or a port's name, as written; "0" stands for all of them.
        package var port: String
        /// The last port of a range that begins with `port`; nil and 0: just that one.
        package var endPort: Int?
        /// `protocol` as written; nil, empty and "ANY": TCP, UDP and SCTP.
        package var protocolName: String?

        package init(port: String, endPort: Int? = nil, protocolName: String? = nil) {
            self.port = port
            self.endPort = endPort
            self.protocolName = protocolName
        }

        /// nil if there is no protocol of that name.
        package var protocols: [IPProtocol]? {
            switch protocolName {
            case nil, "", "ANY": [.tcp, .udp, .sctp]
            case "TCP": [.tcp]
            case "UDP": [.udp]
            case "SCTP": [.sctp]
            default: nil
            }
        }

        /// What `port` is; nil if it is neither a number of at most 65535 nor a name. A name has a letter in it, of
        /// either case, as pods have none but small ones.
        package var reference: NetworkPolicy.PortReference? {
            if let number = Int(port), String(number) == port {
                return (0...65535).contains(number) ? .number(number) : nil
            }
            let name = port.lowercased()
            return Syntax.portNameProblem(name) == nil ? .name(name) : nil
        }
    }

    /// An element of `icmps[].fields`.
    package struct ICMPField: Hashable, Sendable {
        /// As written; nil: IPv4.
        package var family: String?
        /// A number or the name of a type, as written.
        package var type: String

        package init(family: String? = nil, type: String) {
            self.family = family
            self.type = type
        }

        /// nil if there is no such family.
        package var ipProtocol: IPProtocol? {
            switch family {
            case nil, "", "IPv4": .icmp
            case "IPv6": .icmpv6
            default: nil
            }
        }

        /// nil if there is none of that number or name in the family.
        package var typeNumber: UInt8? {
            if let number = UInt8(type), String(number) == type { return number }
            return ipProtocol.flatMap { ($0 == .icmp ? Self.icmpTypes : Self.icmpv6Types)[type] }
        }

        package var role: ICMPRole? {
            guard let ipProtocol, let typeNumber else { return nil }
            return ICMPRole(ipProtocol, type: typeNumber)
        }

        // Names as Cilium's policies write them; numbers as IANA assigns them.
        private static let icmpTypes: [String: UInt8] = [
            "EchoReply": 0, "DestinationUnreachable": 3, "Redirect": 5, "Echo": 8, "EchoRequest": 8,
            "RouterAdvertisement": 9, "RouterSelection": 10, "TimeExceeded": 11, "ParameterProblem": 12,
            "Timestamp": 13, "TimestampReply": 14, "Photuris": 40, "ExtendedEchoRequest": 42, "ExtendedEchoReply": 43,
        ]
        private static let icmpv6Types: [String: UInt8] = [
            "DestinationUnreachable": 1, "PacketTooBig": 2, "TimeExceeded": 3, "ParameterProblem": 4,
            "EchoRequest": 128, "EchoReply": 129, "MulticastListenerQuery": 130, "MulticastListenerReport": 131,
            "MulticastListenerDone": 132, "RouterSolicitation": 133, "RouterAdvertisement": 134,
            "NeighborSolicitation": 135, "NeighborAdvertisement": 136, "RedirectMessage": 137,
            "RouterRenumbering": 138, "ICMPNodeInformationQuery": 139, "ICMPNodeInformationResponse": 140,
            "InverseNeighborDiscoverySolicitation": 141, "InverseNeighborDiscoveryAdvertisement": 142,
            "HomeAgentAddressDiscoveryRequest": 144, "HomeAgentAddressDiscoveryReply": 145,
            "MobilePrefixSolicitation": 146, "MobilePrefixAdvertisement": 147, "DuplicateAddressRequestCodeSuffix": 157,
            "DuplicateAddressConfirmationCodeSuffix": 158, "ExtendedEchoRequest": 160, "ExtendedEchoReply": 161,
        ]
    }

    /// What the datapath does with an ICMP type.
    package enum ICMPRole: Hashable, Sendable {
        /// Begins a flow, which rules are asked about.
        case echoRequest
        /// Passes or not as the flow does that it belongs to; rules aren't asked: replies to an echo request, and
        /// errors, which belong to the flow of the packet that they quote.
        case partOfFlow
        /// Never passes.
        case other

        package init(_ number: IPProtocol, type: UInt8) {
            switch (number, type) {
            case (.icmp, 8), (.icmpv6, 128): self = .echoRequest
            case (.icmp, 0), (.icmp, 3), (.icmp, 11), (.icmp, 12), (.icmpv6, 129), (.icmpv6, 1...4): self = .partOfFlow
            default: self = .other
            }
        }
    }
}

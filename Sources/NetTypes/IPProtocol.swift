// SPDX-License-Identifier: Apache-2.0

/// The number of a protocol above IP, as IANA assigns them.
package struct IPProtocol: RawRepresentable, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) {
        self.rawValue = rawValue
    }

    package static let icmp = IPProtocol(rawValue: 1)
    package static let tcp = IPProtocol(rawValue: 6)
    package static let udp = IPProtocol(rawValue: 17)
    package static let icmpv6 = IPProtocol(rawValue: 58)
    package static let sctp = IPProtocol(rawValue: 132)

    /// One of the names that ``name`` gives, in any case; nil for others.
    package init?(name: some StringProtocol) {
        switch name.uppercased() {
        case "ICMP": self = .icmp
        case "TCP": self = .tcp
        case "UDP": self = .udp
        case "ICMPV6": self = .icmpv6
        case "SCTP": self = .sctp
        default: return nil
        }
    }

    /// As Kubernetes writes it ("TCP"); the number for those without a name here.
    package var name: String {
        switch self {
        case .icmp: "ICMP"
        case .tcp: "TCP"
        case .udp: "UDP"
        case .icmpv6: "ICMPv6"
        case .sctp: "SCTP"
        default: String(rawValue)
        }
    }

    /// True for TCP, UDP and SCTP.
    package var hasPorts: Bool { self == .tcp || self == .udp || self == .sctp }
}

extension IPProtocol: Comparable {
    package static func < (a: IPProtocol, b: IPProtocol) -> Bool { a.rawValue < b.rawValue }
}

extension IPProtocol: CustomStringConvertible {
    package var description: String { name }
}

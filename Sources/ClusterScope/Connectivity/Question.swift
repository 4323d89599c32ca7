// SPDX-License-Identifier: Apache-2.0

/// A pod that asks.
package enum Prober: String, Hashable, Sendable, CaseIterable {
    case client
    /// On the second node, if there is one; as the client, with the label `other` besides.
    case otherClient = "other-client"
    /// In the other namespace.
    case stranger
    /// On the network of the second node.
    case host
}

/// A pod that answers: on the node of the client, or on the second one.
package enum Echo: String, Hashable, Sendable, CaseIterable {
    case near = "echo-near"
    case far = "echo-far"
}

/// What is asked.
package enum Target: Hashable, Sendable {
    package enum Port: Hashable, Sendable {
        /// Named `http`.
        case http
        /// Named `other`.
        case other
        case udp
        case ping
        /// Nobody listens there.
        case closed
    }

    case echo(Echo, Port)
    /// The service before both echo pods.
    case service
    /// A TCP port of the kubelet's, on the node of the client, or on the second one.
    case clientNode
    case otherNode
    /// The service `kubernetes`, and what is behind it.
    case apiService
    case apiServer
    /// What the user says is outside of the cluster.
    case world
}

extension Target: CustomStringConvertible {
    package var description: String {
        switch self {
        case .echo(let echo, let port): "\(echo.rawValue) \(port.text)"
        case .service: "service"
        case .clientNode: "its own node"
        case .otherNode: "the other node"
        case .apiService: "service kubernetes"
        case .apiServer: "API server"
        case .world: "world"
        }
    }
}

extension Target.Port {
    static let httpNumber: UInt16 = 8_080
    static let otherNumber: UInt16 = 9_090
    static let udpNumber: UInt16 = 8_081
    static let closedNumber: UInt16 = 8_099

    fileprivate var text: String {
        switch self {
        case .http: "tcp \(Self.httpNumber)"
        case .other: "tcp \(Self.otherNumber)"
        case .udp: "udp \(Self.udpNumber)"
        case .ping: "ping"
        case .closed: "tcp \(Self.closedNumber)"
        }
    }
}

/// Who reaches whom, or does not.
package struct Expectation: Hashable, Sendable {
    package let from: Prober
    package let to: Target
    package let isAllowed: Bool
}

/// One target at one of its addresses, as a prober asks it.
package struct Question: Hashable, Sendable {
    package enum Kind: String, Hashable, Sendable {
        case tcp
        case udp
        case icmp
    }

    package let target: Target
    package let kind: Kind
    /// As text, without brackets.
    package let address: String
    /// 0 for ICMP.
    package let port: UInt16
}

/// What came of a question.
package enum Answer: Hashable, Sendable {
    case yes
    case no
    /// A connection, but no answer: neither allowed nor refused.
    case half
    /// The image has no program for it.
    case unable

    package func meets(_ isAllowed: Bool) -> Bool { self == (isAllowed ? .yes : .no) }
}

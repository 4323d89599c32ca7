// SPDX-License-Identifier: Apache-2.0

/// A `policy.networking.k8s.io/v1alpha2` ClusterNetworkPolicy as it was written: the texts in it may be wrong until
/// `validate()` says that there are no errors. Names of fields are those of the API.
package struct ClusterNetworkPolicy: Hashable, Sendable {
    package static let kind = "ClusterNetworkPolicy"

    package enum Tier: Hashable, Sendable {
        /// Before all other policies.
        case admin
        /// For pods that those leave open.
        case baseline
        case unknown(String)
    }

    package enum Action: Hashable, Sendable {
        case accept
        case deny
        /// The next tier decides.
        case pass
        case unknown(String)
    }

    package var name: String
    package var tier: Tier
    /// 0 to 1000, lower first. Of equal ones the first by name wins here.
    package var priority: Int
    package var subject: Pods
    /// In order: the first that matches decides.
    package var ingress: [Rule]
    package var egress: [Rule]

    package init(
        name: String, tier: Tier, priority: Int, subject: Pods, ingress: [Rule] = [], egress: [Rule] = []
    ) {
        self.name = name
        self.tier = tier
        self.priority = priority
        self.subject = subject
        self.ingress = ingress
        self.egress = egress
    }

    package var reference: ObjectReference { ObjectReference(kind: Self.kind, namespace: "", name: name) }
}

extension ClusterNetworkPolicy {
    /// `namespaces`, or `pods` with its two selectors.
    package struct Pods: Hashable, Sendable {
        package var namespaceSelector: LabelSelector
        /// nil: all of the namespaces, written as `namespaces`.
        package var podSelector: LabelSelector?

        package init(namespaceSelector: LabelSelector, podSelector: LabelSelector? = nil) {
            self.namespaceSelector = namespaceSelector
            self.podSelector = podSelector
        }
    }

    package struct Rule: Hashable, Sendable {
        package var name: String?
        package var action: Action
        /// `from` or `to`.
        package var peers: [Peer]
        /// nil: everything, whatever the protocol.
        package var protocols: [ProtocolMatch]?

        package init(name: String? = nil, action: Action, peers: [Peer], protocols: [ProtocolMatch]? = nil) {
            self.name = name
            self.action = action
            self.peers = peers
            self.protocols = protocols
        }
    }

    package enum Peer: Hashable, Sendable {
        case pods(Pods)
        /// Ranges of addresses, whoever has them: pods too. Of egress rules only.
        case networks([String])
        /// Only fields that aren't known here, which the API wants taken for the worst: an Accept rule matches nobody
        /// by it, a Deny or Pass rule becomes one that denies everything.
        case unknown([String])
    }

    package enum ProtocolMatch: Hashable, Sendable {
        /// `tcp`, `udp` or `sctp`, by the name in upper case. nil: all ports.
        case ports(protocolName: String, first: Int?, last: Int?)
        case named(String)
    }

    /// The fields of peers that aren't known here, by path.
    package var unknownPeerFields: [String] {
        [("ingress", "from", ingress), ("egress", "to", egress)].flatMap { section, list, rules in
            rules.enumerated().flatMap { index, rule in
                rule.peers.enumerated().flatMap { position, peer -> [String] in
                    guard case .unknown(let fields) = peer else { return [] }
                    return fields.map { "spec.\(section)[\(index)].\(list)[\(position)].\($0)" }
                }
            }
        }
    }
}

extension ClusterNetworkPolicy.Tier: RawRepresentable {
    package init(rawValue: String) {
        switch rawValue {
        case "Admin": self = .admin
        case "Baseline": self = .baseline
        default: self = .unknown(rawValue)
        }
    }

    /// As the API writes it.
    package var rawValue: String {
        switch self {
        case .admin: "Admin"
        case .baseline: "Baseline"
        case .unknown(let text): text
        }
    }
}

extension ClusterNetworkPolicy.Action: RawRepresentable {
    package init(rawValue: String) {
        switch rawValue {
        case "Accept": self = .accept
        case "Deny": self = .deny
        case "Pass": self = .pass
        default: self = .unknown(rawValue)
        }
    }

    /// As the API writes it.
    package var rawValue: String {
        switch self {
        case .accept: "Accept"
        case .deny: "Deny"
        case .pass: "Pass"
        case .unknown(let text): text
        }
    }
}

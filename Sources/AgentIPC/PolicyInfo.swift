// SPDX-License-Identifier: Apache-2.0

/// `GET /v1/identities`: what makes addresses equal before policy.
package struct IdentityInfo: Hashable, Codable, Sendable {
    /// Below 256: reserved, see `name`.
    package var number: UInt32
    /// Name of a reserved identity ("host", "world"), or the prefix that a rule names ("cidr:10.0.0.0/8"). nil: a
    /// pod's.
    package var name: String?
    /// Kubernetes namespace of its pods.
    package var namespace: String?
    package var namespaceLabels: [String: String]
    package var podLabels: [String: String]
    /// Addresses that have it.
    package var addresses: Int
    /// Endpoints of this node that have it.
    package var endpoints: [UInt16]

    package init(
        number: UInt32, name: String? = nil, namespace: String? = nil, namespaceLabels: [String: String] = [:],
        podLabels: [String: String] = [:], addresses: Int, endpoints: [UInt16] = []
    ) {
        self.number = number
        self.name = name
        self.namespace = namespace
        self.namespaceLabels = namespaceLabels
        self.podLabels = podLabels
        self.addresses = addresses
        self.endpoints = endpoints
    }
}

/// `GET /v1/policies`: one object that carries rules.
package struct PolicyInfo: Hashable, Codable, Sendable {
    /// "NetworkPolicy".
    package var kind: String
    /// Empty for objects of the cluster.
    package var namespace: String
    package var name: String
    /// "admin", "networkPolicy" or "baseline".
    package var tier: String
    /// Which pods it selects, in words.
    package var subject: String
    /// In which it denies what no rule allows.
    package var directions: [PolicyDirection]
    /// Endpoints of this node that it selects.
    package var endpoints: [UInt16]
    /// In the order of the object.
    package var rules: [RuleInfo]
    /// Where it was read from, as "file:line" or the API server's name.
    package var source: String?

    package init(
        kind: String, namespace: String, name: String, tier: String, subject: String, directions: [PolicyDirection],
        endpoints: [UInt16], rules: [RuleInfo], source: String? = nil
    ) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
        self.tier = tier
        self.subject = subject
        self.directions = directions
        self.endpoints = endpoints
        self.rules = rules
        self.source = source
    }
}

/// One rule of a policy object.
package struct RuleInfo: Hashable, Codable, Sendable {
    package var direction: PolicyDirection
    /// Position in the object's list of this direction, from 1 (as rule origins are printed).
    package var index: Int
    /// "allow", "deny" or "pass".
    package var action: String
    /// In words; "anyone" for a rule without peers.
    package var peers: String
    /// In words, as "80/TCP, 8000-8080/TCP"; "all ports" for a rule without ports.
    package var ports: String
    /// New connections that it let pass or refused on this node since the agent first loaded it.
    package var hits: UInt64

    package init(direction: PolicyDirection, index: Int, action: String, peers: String, ports: String, hits: UInt64) {
        self.direction = direction
        self.index = index
        self.action = action
        self.peers = peers
        self.ports = ports
        self.hits = hits
    }
}

/// Seen from the endpoint: `ingress` enters it.
package enum PolicyDirection: String, Hashable, Codable, Sendable, CaseIterable {
    case ingress
    case egress
}

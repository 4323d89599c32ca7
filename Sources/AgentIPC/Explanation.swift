// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// `GET /v1/policies/explain?from=&to=&port=`: what would happen to a new connection, judged by the rules in force.
package struct Explanation: Hashable, Codable, Sendable {
    /// Both directions allow it.
    package var allowed: Bool
    /// The whole answer in one sentence.
    package var summary: String
    package var from: ExplainedPeer
    package var to: ExplainedPeer
    /// "TCP", "UDP", "SCTP", "ICMP" or a number.
    package var `protocol`: String
    /// nil for protocols without ports.
    package var port: UInt16?
    /// Egress of the source, then ingress of the destination; only of ends that are endpoints of this node.
    package var steps: [ExplainedStep]
    /// Why the kernel does not do yet what is explained; nil: it does.
    package var notInForce: String?

    package init(
        allowed: Bool, summary: String, from: ExplainedPeer, to: ExplainedPeer, `protocol`: String, port: UInt16? = nil,
        steps: [ExplainedStep], notInForce: String? = nil
    ) {
        self.allowed = allowed
        self.summary = summary
        self.from = from
        self.to = to
        self.protocol = `protocol`
        self.port = port
        self.steps = steps
        self.notInForce = notInForce
    }
}

/// One end of an explained connection.
package struct ExplainedPeer: Hashable, Codable, Sendable {
    /// "namespace/name" of a pod, an address, "host" or "world".
    package var text: String
    /// The address that it was judged by; nil for "host" and "world".
    package var address: IPAddress?
    package var identity: UInt32
    /// nil for what is no pod.
    package var labels: [String: String]?
    /// nil when it is not a pod of this node.
    package var endpoint: UInt16?

    package init(
        text: String, address: IPAddress? = nil, identity: UInt32, labels: [String: String]? = nil,
        endpoint: UInt16? = nil
    ) {
        self.text = text
        self.address = address
        self.identity = identity
        self.labels = labels
        self.endpoint = endpoint
    }
}

/// What one end's policy says.
package struct ExplainedStep: Hashable, Codable, Sendable {
    package var direction: PolicyDirection
    /// The pod whose policy this is, "namespace/name".
    package var pod: String
    package var allowed: Bool
    /// False: no policy selects the pod in this direction, so everything passes.
    package var enforced: Bool
    /// The rule that decided, as "NetworkPolicy default/web ingress rule 2"; nil: no rule matches.
    package var rule: String?
    /// In words, complete without the other fields.
    package var reason: String
    /// Objects that select the pod in this direction.
    package var policies: [String]

    package init(
        direction: PolicyDirection, pod: String, allowed: Bool, enforced: Bool, rule: String? = nil, reason: String,
        policies: [String] = []
    ) {
        self.direction = direction
        self.pod = pod
        self.allowed = allowed
        self.enforced = enforced
        self.rule = rule
        self.reason = reason
        self.policies = policies
    }
}

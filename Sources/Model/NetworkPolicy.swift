// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// A `networking.k8s.io/v1` NetworkPolicy as it was written: the texts in it may be wrong until `validate()` says
/// that there are no errors. Names of fields are those of the API.
package struct NetworkPolicy: Hashable, Sendable {
    package enum PolicyType: Hashable, Sendable {
        case ingress
        case egress
        case unknown(String)
    }

    package var namespace: String
    package var name: String
    /// Which pods of the namespace it holds for; the empty selector takes all.
    package var podSelector: LabelSelector
    /// nil or empty: ingress, and egress too if there are egress rules.
    package var policyTypes: [PolicyType]?
    /// nil and empty are the same: nothing is allowed by it.
    package var ingress: [IngressRule]?
    /// nil and empty are the same: nothing is allowed by it.
    package var egress: [EgressRule]?

    package init(
        namespace: String, name: String, podSelector: LabelSelector = LabelSelector(),
        policyTypes: [PolicyType]? = nil, ingress: [IngressRule]? = nil, egress: [EgressRule]? = nil
    ) {
        self.namespace = namespace
        self.name = name
        self.podSelector = podSelector
        self.policyTypes = policyTypes
        self.ingress = ingress
        self.egress = egress
    }

    package var reference: ObjectReference {
        ObjectReference(kind: "NetworkPolicy", namespace: namespace, name: name)
    }
}

extension NetworkPolicy {
    package struct IngressRule: Hashable, Sendable {
        /// nil and empty are the same: everybody.
        package var from: [Peer]?
        /// nil and empty are the same: everything, whatever the protocol.
        package var ports: [Port]?

        package init(from: [Peer]? = nil, ports: [Port]? = nil) {
            self.from = from
            self.ports = ports
        }
    }

    package struct EgressRule: Hashable, Sendable {
        /// nil and empty are the same: everybody.
        package var to: [Peer]?
        /// nil and empty are the same: everything, whatever the protocol.
        package var ports: [Port]?

        package init(to: [Peer]? = nil, ports: [Port]? = nil) {
            self.to = to
            self.ports = ports
        }
    }

    /// Either selectors, which both have to match, or an address block.
    package struct Peer: Hashable, Sendable {
        package var podSelector: LabelSelector?
        /// nil: the policy's own namespace.
        package var namespaceSelector: LabelSelector?
        package var ipBlock: IPBlock?

        package init(
            podSelector: LabelSelector? = nil, namespaceSelector: LabelSelector? = nil, ipBlock: IPBlock? = nil
        ) {
            self.podSelector = podSelector
            self.namespaceSelector = namespaceSelector
            self.ipBlock = ipBlock
        }
    }

    package struct IPBlock: Hashable, Sendable {
        package var cidr: String
        package var except: [String]

        package init(cidr: String, except: [String] = []) {
            self.cidr = cidr
            self.except = except
        }
    }

    package struct Port: Hashable, Sendable {
        /// `protocol` as written; nil: TCP.
        package var protocolName: String?
        /// nil: every port of the protocol.
        package var port: Reference?
        /// The last port of a range that begins with `port`.
        package var endPort: Int?

        package init(protocolName: String? = nil, port: Reference? = nil, endPort: Int? = nil) {
            self.protocolName = protocolName
            self.port = port
            self.endPort = endPort
        }

        /// nil if the name is none of TCP, UDP and SCTP, which are written so and not otherwise.
        package var ipProtocol: IPProtocol? {
            switch protocolName {
            case nil, "TCP": .tcp
            case "UDP": .udp
            case "SCTP": .sctp
            default: nil
            }
        }
    }

    /// A number, or the name of a port of the pod that the packet goes to.
    package enum PortReference: Hashable, Sendable {
        case number(Int)
        case name(String)
    }
}

extension NetworkPolicy.Port {
    package typealias Reference = NetworkPolicy.PortReference
}

extension NetworkPolicy.PolicyType: RawRepresentable {
    package init(rawValue: String) {
        switch rawValue {
        case "Ingress": self = .ingress
        case "Egress": self = .egress
        default: self = .unknown(rawValue)
        }
    }

    /// As the API writes it.
    package var rawValue: String {
        switch self {
        case .ingress: "Ingress"
        case .egress: "Egress"
        case .unknown(let text): text
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// A node of the cluster, this one or another, as the cluster knows it.
package struct ClusterNode: Hashable, Sendable {
    /// As the Node object is named.
    package var name: String
    /// Under which the other nodes reach it; at most one of each family is used, the first.
    package var addresses: [IPAddress]
    /// Where its pods' addresses are taken from. Empty while nobody has given it any.
    package var podRanges: [Prefix]

    package init(name: String, addresses: [IPAddress] = [], podRanges: [Prefix] = []) {
        self.name = name
        self.addresses = addresses
        self.podRanges = podRanges
    }
}

/// A pod as its node's agent tells the cluster of it.
package struct ClusterEndpoint: Hashable, Sendable {
    /// At most one of each family.
    package var addresses: [IPAddress]
    package var identity: IdentityNumber
    package var namedPorts: [NamedPort]
    package var namespace: String
    package var podName: String

    package init(
        addresses: [IPAddress], identity: IdentityNumber, namedPorts: [NamedPort] = [], namespace: String,
        podName: String
    ) {
        self.addresses = addresses
        self.identity = identity
        self.namedPorts = namedPorts
        self.namespace = namespace
        self.podName = podName
    }
}

/// Some of the endpoints of one node: what one SkeinEndpointSlice holds.
package struct EndpointSlice: Hashable, Sendable {
    /// The node that claims to have them. Whether it may have these addresses is for the reader to check.
    package var node: String
    package var endpoints: [ClusterEndpoint]

    package init(node: String, endpoints: [ClusterEndpoint]) {
        self.node = node
        self.endpoints = endpoints
    }
}

/// What this node asks of the cluster and tells it. Behind it is the API server; other stores may follow.
package protocol ClusterDirectory: Sendable {
    /// The number that stands for these labels on every node; a new one is made if there is none. Answers from memory
    /// where it can, also while the cluster is away. Otherwise tries until it has an answer or is cancelled.
    func identity(of labels: SecurityLabels) async throws -> IdentityNumber

    /// All endpoints of this node, as of now; what was told before and is not in it is withdrawn. Returns at once: it is
    /// written in the background, changes that come soon after each other together, and again after failures.
    func setEndpoints(_ endpoints: [ClusterEndpoint]) async

    /// What became of a policy object here. Returns at once, as above.
    func setPolicyState(_ state: PolicyState, of policy: ObjectReference) async

    /// How this node is, as of now. Returns at once, as above.
    func setNodeState(_ state: NodeState) async
}

/// What a node's agent says of it to the operator, and to people.
package struct NodeState: Hashable, Sendable {
    /// Addresses for pods: of the family that has more in use, and of the one that has fewer left.
    package struct Addresses: Hashable, Sendable {
        package var used: UInt64
        package var available: UInt64

        package init(used: UInt64, available: UInt64) {
            self.used = used
            self.available = available
        }

        /// What is worth telling: all that a node tells goes to every other node, so as long as there is plenty not every
        /// pod is.
        package var coarse: Addresses {
            guard available >= 64 else { return self }
            let rest = used % 16 == 0 ? 0 : 16 - used % 16
            return Addresses(used: used + rest, available: available - rest)
        }
    }

    /// nil: all is well.
    package var problem: String?
    /// nil: not known, or nobody asks for it.
    package var addresses: Addresses?

    package init(problem: String? = nil, addresses: Addresses? = nil) {
        self.problem = problem
        self.addresses = addresses
    }
}

/// What a policy object's status says.
package enum PolicyState: Hashable, Sendable {
    /// In force on this node.
    case enforced
    /// Refused, and not in force in any part; the reason is for a person and names the field.
    case invalid(String)
    /// Valid, but this node could not put it into its kernel yet.
    case notEnforced(String)
}

// SPDX-License-Identifier: Apache-2.0

package import Model
package import NetTypes

/// One rule of any policy language, with every default settled.
package struct PolicyRule: Hashable, Sendable {
    package var tier: Tier
    /// Lower first, in the admin and baseline tiers; equal ones in the order of objects, then of declaration.
    package var priority: Int
    package var action: RuleAction
    package var direction: Direction
    /// nil: everybody, known or not; empty: nobody.
    package var peers: [PeerSelector]?
    /// nil: everything, whatever the protocol; empty: nothing.
    package var ports: [PortSelector]?
    package var origin: RuleOrigin

    package init(
        tier: Tier = .networkPolicy, priority: Int = 0, action: RuleAction, direction: Direction,
        peers: [PeerSelector]?, ports: [PortSelector]?, origin: RuleOrigin
    ) {
        self.tier = tier
        self.priority = priority
        self.action = action
        self.direction = direction
        self.peers = peers
        self.ports = ports
        self.origin = origin
    }
}

/// Which namespaces.
package enum NamespaceScope: Hashable, Sendable {
    case named(String)
    case matching(LabelSelector)

    package func matches(_ labels: SecurityLabels) -> Bool {
        switch self {
        case .named(let name): labels.namespace == name
        case .matching(let selector): selector.matches(labels.namespaceLabels)
        }
    }
}

/// Pods by their labels. Nodes and the world have none and are never matched, not even by an empty selector.
package struct PodSelector: Hashable, Sendable {
    package var namespaces: NamespaceScope
    package var pods: LabelSelector

    package init(namespaces: NamespaceScope, pods: LabelSelector = LabelSelector()) {
        self.namespaces = namespaces
        self.pods = pods
    }

    package func matches(_ labels: SecurityLabels) -> Bool {
        namespaces.matches(labels) && pods.matches(labels.podLabels)
    }
}

/// Addresses, whoever has them: pods and nodes too.
package struct AddressBlock: Hashable, Sendable {
    package let prefix: Prefix
    /// Sorted, each inside `prefix`, none of another family.
    package let except: [Prefix]

    /// Exceptions that don't overlap `prefix` are dropped.
    package init(_ prefix: Prefix, except: [Prefix] = []) {
        self.prefix = prefix
        self.except = Set(except.filter(prefix.overlaps)).sorted()
    }

    package func contains(_ address: IPAddress) -> Bool {
        prefix.contains(address) && !except.contains { $0.contains(address) }
    }

    /// True if every address of `other` is in it, but for those that a longer exception takes out.
    package func covers(_ other: Prefix) -> Bool {
        prefix.contains(other) && !except.contains { $0.contains(other) }
    }
}

package enum PeerSelector: Hashable, Sendable {
    case pods(PodSelector)
    case addresses(AddressBlock)
    /// Addresses in the block that no known pod and no node has: identity comes before address.
    case outside(AddressBlock)
    case entities(EntitySet)
}

/// Ports of one protocol that the packet goes to. ICMP and ICMPv6 have the type in place of a port.
package enum PortSelector: Hashable, Sendable {
    case range(IPProtocol, PortRange)
    /// Whatever number the pod that the packet goes to has under this name, if any.
    case named(IPProtocol, String)

    package var `protocol`: IPProtocol {
        switch self {
        case .range(let number, _), .named(let number, _): number
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// What the kernel's tables hold, in host byte order. `bpf/abi` says how it is laid out there.

/// What holds for an endpoint in one phase of the epoch.
package struct EndpointView: Hashable, Sendable {
    /// 1 to 2^30 - 1. A number is never given to other rules while the agent lives.
    package var policy: UInt32
    /// false: everything may enter, no row is looked up.
    package var enforceIngress: Bool
    package var enforceEgress: Bool
    /// Slot of its IPv4 address; 0 if it has none.
    package var slot4: UInt32
    package var slot6: UInt32
    package var identity: UInt32

    package init(
        policy: UInt32, enforceIngress: Bool, enforceEgress: Bool, slot4: UInt32, slot6: UInt32, identity: UInt32
    ) {
        self.policy = policy
        self.enforceIngress = enforceIngress
        self.enforceEgress = enforceEgress
        self.slot4 = slot4
        self.slot6 = slot6
        self.identity = identity
    }
}

package struct PolicyRowKey: Hashable, Sendable {
    package let policy: UInt32
    /// 0: every class that has no row of its own.
    package let classID: UInt32
    package let direction: Direction

    package init(policy: UInt32, classID: UInt32, direction: Direction) {
        self.policy = policy
        self.classID = classID
        self.direction = direction
    }
}

extension PolicyRowKey: Comparable {
    package static func < (a: PolicyRowKey, b: PolicyRowKey) -> Bool {
        (a.policy, a.classID, a.direction.rawValue) < (b.policy, b.classID, b.direction.rawValue)
    }
}

/// The numbers are those of `enum dp_verdict`.
package enum Verdict: UInt8, Sendable {
    /// No rule allows it.
    case defaultDeny = 0
    case allow = 1
    /// A rule refuses it.
    case deny = 2
}

package struct RowVerdict: Hashable, Sendable {
    package let verdict: Verdict
    /// Of the rule that decides; 0: none does.
    package let cookie: UInt32

    package init(verdict: Verdict, cookie: UInt32) {
        self.verdict = verdict
        self.cookie = cookie
    }

    /// Also what holds where an enforced direction has no row at all.
    package static let defaultDeny = RowVerdict(verdict: .defaultDeny, cookie: 0)
    package static let defaultAllow = RowVerdict(verdict: .allow, cookie: 0)
}

package struct PortVerdict: Hashable, Sendable {
    /// IP protocol number; the compiler never writes 0 (any).
    package let `protocol`: UInt8
    /// ICMP and ICMPv6: types.
    package let ports: PortRange
    package let verdict: RowVerdict

    package init(protocol: UInt8, ports: PortRange, verdict: RowVerdict) {
        self.protocol = `protocol`
        self.ports = ports
        self.verdict = verdict
    }
}

/// All that a policy says of one class of peers in one direction.
package struct PolicyRow: Hashable, Sendable {
    /// Of what no element of `ports` covers.
    package let base: RowVerdict
    /// Disjoint, sorted by protocol and port, none equal to `base`, neighbours that are equal made one.
    package let ports: [PortVerdict]

    package init(base: RowVerdict, ports: [PortVerdict]) {
        self.base = base
        self.ports = ports
    }

    package static let defaultDeny = PolicyRow(base: .defaultDeny, ports: [])

    /// `port`: 0 for protocols without ports, the type for ICMP.
    package func verdict(protocol number: UInt8, port: UInt16) -> RowVerdict {
        for entry in ports where entry.protocol == number && entry.ports.contains(port) { return entry.verdict }
        return base
    }
}

/// Who has an address.
package struct PeerEntry: Hashable, Sendable {
    package var identity: UInt32
    /// 0 if `endpoint` isn't: then the endpoint's view says it.
    package var slot: UInt32
    /// Number of the local endpoint; 0: not on this node.
    package var endpoint: UInt16
    package var isHost: Bool
    package var isRemoteNode: Bool
    /// The stack translates it, and what comes of that is judged.
    package var isService: Bool
    /// Number of the other node that has it; 0: none, or not known.
    package var node: UInt32

    package init(
        identity: UInt32, slot: UInt32, endpoint: UInt16 = 0, isHost: Bool = false, isRemoteNode: Bool = false,
        isService: Bool = false, node: UInt32 = 0
    ) {
        self.identity = identity
        self.slot = slot
        self.endpoint = endpoint
        self.isHost = isHost
        self.isRemoteNode = isRemoteNode
        self.isService = isService
        self.node = node
    }
}

// SPDX-License-Identifier: Apache-2.0

package import Model
import NetTypes

extension PolicyObject {
    /// What a ClusterNetworkPolicy means, after the API's documentation. It isolates nobody.
    ///
    /// The policy should have passed `validate()`. Peers of kinds that aren't known count for the worst: an Accept rule
    /// matches nobody by them, a Deny or Pass rule denies everything.
    package init(_ policy: ClusterNetworkPolicy) {
        let translation = Translation(policy: policy)
        self.init(
            reference: policy.reference, subject: PodSelector(policy.subject),
            rules: translation.rules(.ingress, policy.ingress) + translation.rules(.egress, policy.egress))
    }
}

private struct Translation {
    let policy: ClusterNetworkPolicy

    func rules(_ direction: Direction, _ list: [ClusterNetworkPolicy.Rule]) -> [PolicyRule] {
        let tier: Tier
        switch policy.tier {
        case .admin: tier = .admin
        case .baseline: tier = .baseline
        case .unknown: return []
        }
        return list.enumerated().map { index, rule in
            let hasUnknown = rule.peers.contains { if case .unknown = $0 { true } else { false } }
            var (action, peers, ports) = (action(of: rule), selectors(rule.peers), ports(of: rule))
            if hasUnknown, action != .allow { (action, peers, ports) = (.deny, nil, nil) }
            return PolicyRule(
                tier: tier, priority: policy.priority, action: action, direction: direction, peers: peers,
                ports: ports, origin: RuleOrigin(object: policy.reference, direction: direction, index: index))
        }
    }

    private func action(of rule: ClusterNetworkPolicy.Rule) -> RuleAction {
        switch rule.action {
        case .accept: .allow
        case .pass: .pass
        case .deny, .unknown: .deny
        }
    }

    private func selectors(_ peers: [ClusterNetworkPolicy.Peer]) -> [PeerSelector]? {
        peers.flatMap { peer -> [PeerSelector] in
            switch peer {
            case .pods(let pods): [.pods(PodSelector(pods))]
            case .networks(let networks):
                networks.compactMap { Prefix($0) }.map { .addresses(AddressBlock($0)) }
            case .unknown: []
            }
        }
    }

    private func ports(of rule: ClusterNetworkPolicy.Rule) -> [PortSelector]? {
        rule.protocols?.flatMap { match -> [PortSelector] in
            switch match {
            case .named(let name): return [IPProtocol.tcp, .udp, .sctp].map { .named($0, name) }
            case .ports(let name, let first, let last):
                guard let ipProtocol = IPProtocol(name: name), ipProtocol.hasPorts else { return [] }
                guard let first else { return [.range(ipProtocol, .all)] }
                guard let low = UInt16(exactly: first), let high = UInt16(exactly: last ?? first),
                    let range = PortRange(first: low, last: high)
                else { return [] }
                return [.range(ipProtocol, range)]
            }
        }
    }
}

extension PodSelector {
    fileprivate init(_ pods: ClusterNetworkPolicy.Pods) {
        self.init(namespaces: .matching(pods.namespaceSelector), pods: pods.podSelector ?? LabelSelector())
    }
}

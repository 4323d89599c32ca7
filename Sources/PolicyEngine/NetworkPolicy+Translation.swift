// SPDX-License-Identifier: Apache-2.0

package import Model
import NetTypes

extension PolicyObject {
    /// What a NetworkPolicy means, after the API's documentation.
    ///
    /// The policy should have passed `validate()`. Parts that would not have (a range that is none, an unknown
    /// protocol) match nothing here, so that a mistake never allows more.
    package init(_ policy: NetworkPolicy) {
        let translation = Translation(policy: policy)
        self.init(
            reference: policy.reference,
            subject: PodSelector(namespaces: .named(policy.namespace), pods: policy.podSelector),
            defaultDeny: translation.directions,
            rules: translation.rules)
    }
}

private struct Translation {
    let policy: NetworkPolicy

    /// The directions in which the policy isolates; rules of others don't count.
    var directions: Set<Direction> {
        guard let types = policy.policyTypes, !types.isEmpty else {
            return policy.egress?.isEmpty ?? true ? [.ingress] : [.ingress, .egress]
        }
        var directions: Set<Direction> = []
        if types.contains(.ingress) { directions.insert(.ingress) }
        if types.contains(.egress) { directions.insert(.egress) }
        return directions
    }

    var rules: [PolicyRule] {
        var rules: [PolicyRule] = []
        if directions.contains(.ingress) {
            for (index, rule) in (policy.ingress ?? []).enumerated() {
                rules.append(self.rule(.ingress, index, peers: rule.from, ports: rule.ports))
            }
        }
        if directions.contains(.egress) {
            for (index, rule) in (policy.egress ?? []).enumerated() {
                rules.append(self.rule(.egress, index, peers: rule.to, ports: rule.ports))
            }
        }
        return rules
    }

    private func rule(
        _ direction: Direction, _ index: Int, peers: [NetworkPolicy.Peer]?, ports: [NetworkPolicy.Port]?
    ) -> PolicyRule {
        PolicyRule(
            action: .allow, direction: direction,
            peers: peers.flatMap { $0.isEmpty ? nil : $0.compactMap(selector) },
            ports: ports.flatMap { $0.isEmpty ? nil : $0.compactMap(selector) },
            origin: RuleOrigin(object: policy.reference, direction: direction, index: index))
    }

    private func selector(_ peer: NetworkPolicy.Peer) -> PeerSelector? {
        if let block = peer.ipBlock {
            let except = block.except.compactMap { Prefix($0) }
            guard peer.podSelector == nil, peer.namespaceSelector == nil, let prefix = Prefix(block.cidr),
                except.count == block.except.count
            else { return nil }
            return .addresses(AddressBlock(prefix, except: except))
        }
        if peer.podSelector == nil, peer.namespaceSelector == nil { return nil }
        return .pods(
            PodSelector(
                namespaces: peer.namespaceSelector.map { .matching($0) } ?? .named(policy.namespace),
                pods: peer.podSelector ?? LabelSelector()))
    }

    private func selector(_ port: NetworkPolicy.Port) -> PortSelector? {
        guard let ipProtocol = port.ipProtocol else { return nil }
        switch port.port {
        case nil:
            return port.endPort == nil ? .range(ipProtocol, .all) : nil
        case .name(let name):
            return port.endPort == nil ? .named(ipProtocol, name) : nil
        case .number(let number):
            guard let first = UInt16(exactly: number), let last = UInt16(exactly: port.endPort ?? number) else {
                return nil
            }
            return PortRange(first: first, last: last).map { .range(ipProtocol, $0) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

package import Model
import NetTypes

extension PolicyObject {
    /// What a SkeinNetworkPolicy or SkeinClusterNetworkPolicy means: one object for each of its specs.
    ///
    /// The policy should have passed `validate()`. Parts that would not have match nothing here.
    package static func objects(of policy: SkeinNetworkPolicy) -> [PolicyObject] {
        let whole = policy.spec.map { [Translation(policy: policy, spec: $0, part: nil)] } ?? []
        let parts = (policy.specs ?? []).enumerated().map {
            Translation(policy: policy, spec: $0.element, part: $0.offset)
        }
        return (whole + parts).compactMap(\.object)
    }
}

private struct Translation {
    let policy: SkeinNetworkPolicy
    let spec: SkeinNetworkPolicy.Spec
    let part: Int?

    /// nil if it can hold for no pod.
    var object: PolicyObject? {
        guard let subject else { return nil }
        var defaultDeny: Set<Direction> = []
        if spec.deniesIngressByDefault { defaultDeny.insert(.ingress) }
        if spec.deniesEgressByDefault { defaultDeny.insert(.egress) }
        let rules =
            rules(spec.ingress, .ingress, .usual) + rules(spec.ingressDeny, .ingress, .deny)
            + rules(spec.egress, .egress, .usual) + rules(spec.egressDeny, .egress, .deny)
        return PolicyObject(reference: policy.reference, subject: subject, defaultDeny: defaultDeny, rules: rules)
    }

    private var subject: PodSelector? {
        guard case .pods(let pods, var namespaces)? = SkeinNetworkPolicy.resolve(spec.endpointSelector) else {
            return nil
        }
        if let namespace = policy.namespace {
            let chosen = namespaces?.matchLabels[Namespace.nameLabel]
            guard chosen == nil || chosen == namespace else { return nil }
            namespaces?.matchLabels[Namespace.nameLabel] = namespace
        }
        return PodSelector(namespaces: scope(namespaces), pods: pods)
    }

    /// Of pods that a selector of this policy selects.
    private func scope(_ namespaces: LabelSelector?) -> NamespaceScope {
        guard let namespaces else { return policy.namespace.map { .named($0) } ?? .matching(LabelSelector()) }
        if let name = namespaces.matchLabels[Namespace.nameLabel], namespaces.matchLabels.count == 1,
            namespaces.matchExpressions.isEmpty
        {
            return .named(name)
        }
        return .matching(namespaces)
    }

    private func rules(
        _ list: [SkeinNetworkPolicy.Rule]?, _ direction: Direction, _ kind: RuleOrigin.List
    ) -> [PolicyRule] {
        (list ?? []).enumerated().map { index, rule in
            let ports = ports(of: rule)
            var peers = peers(of: rule)
            // Without ports and peers it doesn't mean everything, as in a NetworkPolicy, but nothing.
            if ports == nil, case .everybody(isGiven: false) = peers { peers = .some([]) }
            return PolicyRule(
                action: kind == .deny ? .deny : .allow, direction: direction, peers: peers.list, ports: ports,
                origin: RuleOrigin(
                    object: policy.reference, direction: direction, list: kind, index: index, part: part))
        }
    }

    private enum Peers {
        /// Nobody asked for less, or somebody asked for it.
        case everybody(isGiven: Bool)
        case some([PeerSelector])

        var list: [PeerSelector]? {
            if case .some(let list) = self { list } else { nil }
        }
    }

    private func peers(of rule: SkeinNetworkPolicy.Rule) -> Peers {
        let counts = [rule.endpoints?.count, rule.cidrs?.count, rule.cidrSets?.count, rule.entities?.count]
        if counts.allSatisfy({ $0 == nil }) { return .everybody(isGiven: false) }
        if counts.contains(0) { return .some([]) }
        var entities: EntitySet = []
        for text in rule.entities ?? [] {
            guard let entity = SkeinNetworkPolicy.Entity(rawValue: text) else { continue }
            if entity == .all { return .everybody(isGiven: true) }
            entities.formUnion(EntitySet(entity))
        }
        var list: [PeerSelector] = entities.isEmpty ? [] : [.entities(entities)]
        for selector in rule.endpoints ?? [] {
            switch SkeinNetworkPolicy.resolve(selector) {
            case .pods(let pods, let namespaces)?:
                list.append(.pods(PodSelector(namespaces: scope(namespaces), pods: pods)))
            case .entity(let entity)?: list.append(.entities(EntitySet(entity)))
            case nil: break
            }
        }
        list += (rule.cidrs ?? []).compactMap { Prefix(cidr: $0) }.map { .outside(AddressBlock($0)) }
        for set in rule.cidrSets ?? [] {
            let except = set.except.compactMap { Prefix($0) }
            guard let prefix = Prefix(set.cidr), except.count == set.except.count else { continue }
            list.append(.outside(AddressBlock(prefix, except: except)))
        }
        return .some(list)
    }

    private func ports(of rule: SkeinNetworkPolicy.Rule) -> [PortSelector]? {
        let toPorts = rule.toPorts ?? []
        let icmps = rule.icmps ?? []
        if toPorts.isEmpty, icmps.isEmpty { return nil }
        return toPorts.joined(selectors) + icmps.joined(selectors)
    }

    private func selectors(_ port: SkeinNetworkPolicy.Port) -> [PortSelector] {
        let endPort = port.endPort ?? 0
        switch port.reference {
        case nil: return []
        case .name(let name): return endPort == 0 ? (port.protocols ?? []).map { .named($0, name) } : []
        case .number(0): return endPort == 0 ? (port.protocols ?? []).map { .range($0, .all) } : []
        case .number(let number):
            guard let first = UInt16(exactly: number), let last = UInt16(exactly: endPort == 0 ? number : endPort),
                let range = PortRange(first: first, last: last)
            else { return [] }
            return (port.protocols ?? []).map { .range($0, range) }
        }
    }

    private func selectors(_ field: SkeinNetworkPolicy.ICMPField) -> [PortSelector] {
        guard let ipProtocol = field.ipProtocol, let type = field.typeNumber else { return [] }
        return [.range(ipProtocol, PortRange(UInt16(type)))]
    }
}

extension Array {
    /// Of a list of lists, some of which may be missing.
    fileprivate func joined<T>(_ selectors: (T) -> [PortSelector]) -> [PortSelector] where Element == [T]? {
        flatMap { ($0 ?? []).flatMap(selectors) }
    }
}

extension EntitySet {
    /// `all` is more than any set of them: also what is neither known nor outside.
    fileprivate init(_ entity: SkeinNetworkPolicy.Entity) {
        switch entity {
        case .host: self = .host
        case .remoteNode: self = .remoteNode
        case .kubeAPIServer: self = .kubeAPIServer
        case .health: self = .health
        case .`init`: self = .`init`
        case .world: self = .world
        case .cluster: self = .cluster
        case .all: self = [.cluster, .world]
        }
    }
}

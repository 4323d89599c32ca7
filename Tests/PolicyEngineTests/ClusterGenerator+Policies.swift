// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine

/// Policies of Skein's own kinds and ClusterNetworkPolicies.
extension ClusterGenerator {
    /// Addresses that are somebody's by something other than labels.
    mutating func addEntities(to cluster: inout Cluster) {
        let places: [(String, KubeAPIServerPlace)] = [
            ("172.16.0.9", .host), ("172.16.0.10", .remoteNode), ("192.0.2.5", .outside), ("2001:db8::5", .outside),
        ]
        for (text, place) in places {
            if let address = IPAddress(text) { cluster.apiServers[address] = place }
        }
        let others: [(String, ReservedIdentity)] = [
            ("10.0.0.62", .health), ("10.0.0.63", .`init`), ("fd00::62", .health),
        ]
        for (text, identity) in others {
            if let address = IPAddress(text) { cluster.reserved[address] = identity }
        }
    }

    /// With the name and kind of `reference`, if given.
    @discardableResult
    mutating func addOther(to cluster: inout Cluster, as reference: ObjectReference? = nil) -> ObjectReference {
        made += 1
        let name = reference?.name ?? "other\(made)"
        let kind =
            reference?.kind
            ?? random.pick([
                SkeinNetworkPolicy.namespacedKind, SkeinNetworkPolicy.clusterKind, ClusterNetworkPolicy.kind,
            ])
        switch kind {
        case ClusterNetworkPolicy.kind:
            let policy = clusterNetworkPolicy(named: name)
            cluster.clusterPolicies[policy.reference] = policy
            return policy.reference
        default:
            let isNamespaced = kind == SkeinNetworkPolicy.namespacedKind
            let namespace = isNamespaced ? reference?.namespace ?? random.pick(Self.namespaceNames) : nil
            let policy = skeinPolicy(named: name, in: namespace)
            cluster.skeinPolicies[policy.reference] = policy
            return policy.reference
        }
    }

    mutating func skeinPolicy(named name: String, in namespace: String?) -> SkeinNetworkPolicy {
        var policy = SkeinNetworkPolicy(namespace: namespace, name: name)
        if random.chance(80) { policy.spec = spec(namespace) }
        if policy.spec == nil || random.chance(20) {
            policy.specs = (0..<random.pick([1, 2])).map { _ in spec(namespace) }
        }
        return policy
    }

    private mutating func spec(_ namespace: String?) -> SkeinNetworkPolicy.Spec {
        var spec = SkeinNetworkPolicy.Spec(endpointSelector: selector(emptyPercent: 40))
        if namespace == nil, random.chance(40) {
            spec.endpointSelector = prefixed(spec.endpointSelector, namespaces: namespaceSelector())
        } else if let namespace, random.chance(10) {
            spec.endpointSelector.matchLabels["k8s:\(SkeinNetworkPolicy.namespaceKey)"] = namespace
        }
        spec.ingress = rules(75, denies: false)
        spec.egress = rules(50, denies: false)
        spec.ingressDeny = rules(25, denies: true)
        spec.egressDeny = rules(25, denies: true)
        if spec.ingress == nil, spec.egress == nil, spec.ingressDeny == nil, spec.egressDeny == nil {
            spec.ingress = []
        }
        if random.chance(15) { spec.enableDefaultDeny.ingress = random.chance(40) }
        if random.chance(15) { spec.enableDefaultDeny.egress = random.chance(40) }
        return spec
    }

    private mutating func rules(_ percent: Int, denies: Bool) -> [SkeinNetworkPolicy.Rule]? {
        guard random.chance(percent) else { return nil }
        return (0..<random.pick([0, 1, 1, 2, 3])).map { _ in rule(denies: denies) }
    }

    private mutating func rule(denies: Bool) -> SkeinNetworkPolicy.Rule {
        var rule = SkeinNetworkPolicy.Rule()
        let count = random.pick([0, 1, 1, 2])
        switch random.pick([0, 1, 1, 1, 2, 3, 4, 4]) {
        case 1: rule.endpoints = (0..<count).map { _ in endpoints() }
        case 2: rule.cidrs = (0..<count).map { _ in random.pick(Self.ranges + ["192.0.2.5", "10.0.0.5"]) }
        case 3: rule.cidrSets = (0..<count).map { _ in cidrSet() }
        case 4:
            rule.entities = (0..<count).map { _ in random.pick(SkeinNetworkPolicy.Entity.allCases).rawValue }
        default: break
        }
        if random.chance(45) {
            rule.toPorts = (0..<random.pick([0, 1, 1, 2])).map { _ in
                (0..<random.pick([1, 1, 2])).map { _ in port() }
            }
        } else if random.chance(25) {
            rule.icmps = (0..<random.pick([0, 1, 1])).map { _ in [icmp(denies: denies)] }
        }
        return rule
    }

    private mutating func endpoints() -> LabelSelector {
        if random.chance(10) {
            let name = random.pick(["host", "remote-node", "kube-apiserver", "health", "init", "world"])
            return random.chance(50)
                ? LabelSelector(matchLabels: ["reserved:\(name)": ""])
                : LabelSelector(matchExpressions: [.init(key: "reserved:\(name)", operator: .exists)])
        }
        let pods = selector(emptyPercent: 25)
        return random.chance(50) ? pods : prefixed(pods, namespaces: random.chance(30) ? nil : namespaceSelector())
    }

    /// Spelt with sources, and with the namespace by its labels, by its name, or as one that just has to be there.
    private mutating func prefixed(_ pods: LabelSelector, namespaces: LabelSelector?) -> LabelSelector {
        var result = LabelSelector()
        let source = random.pick(["k8s:", "any:", ""])
        for label in pods.matchLabels { result.matchLabels[source + label.key] = label.value }
        result.matchExpressions = pods.matchExpressions.map {
            .init(key: source + $0.key, operator: $0.operator, values: $0.values)
        }
        let prefix = random.pick(SkeinNetworkPolicy.namespaceLabelPrefixes)
        func key(_ key: String) -> String {
            key == Namespace.nameLabel ? source + SkeinNetworkPolicy.namespaceKey : source + prefix + key
        }
        for label in namespaces?.matchLabels ?? [:] { result.matchLabels[key(label.key)] = label.value }
        result.matchExpressions += (namespaces?.matchExpressions ?? []).map {
            .init(key: key($0.key), operator: $0.operator, values: $0.values)
        }
        if namespaces == nil {
            let requirement = random.pick([
                LabelSelector.Requirement(key: source + SkeinNetworkPolicy.namespaceKey, operator: .exists),
                .init(key: source + SkeinNetworkPolicy.namespaceKey, operator: .in, values: ["alpha", "beta"]),
                .init(key: source + SkeinNetworkPolicy.namespaceKey, operator: .notIn, values: ["alpha"]),
            ])
            result.matchExpressions.append(requirement)
        }
        return result
    }

    private mutating func cidrSet() -> SkeinNetworkPolicy.CIDRSet {
        let cidr = random.pick(Self.ranges)
        let inside = Self.ranges.filter { text in
            guard let outer = Prefix(cidr), let inner = Prefix(text) else { return false }
            return outer.contains(inner)
        }
        return SkeinNetworkPolicy.CIDRSet(cidr: cidr, except: random.subset(inside, percent: 20))
    }

    private mutating func port() -> SkeinNetworkPolicy.Port {
        let name = random.pick([nil, "ANY", "TCP", "TCP", "UDP", "SCTP", ""])
        switch random.pick([0, 1, 1, 2, 3]) {
        case 0: return .init(port: "0", protocolName: name)
        case 2: return .init(port: random.pick(["http", "dns", "HTTP"]), protocolName: name)
        case 3:
            let first = random.pick([1, 50, 80, 1000])
            return .init(port: String(first), endPort: random.pick([0, first, first + 30, 65535]), protocolName: name)
        default: return .init(port: random.pick(["53", "80", "443", "8080"]), protocolName: name)
        }
    }

    private mutating func icmp(denies: Bool) -> SkeinNetworkPolicy.ICMPField {
        let family = random.pick([nil, "IPv4", "IPv6"])
        let echo = random.pick(["EchoRequest", family == "IPv6" ? "128" : "8"])
        guard random.chance(20) else { return .init(family: family, type: echo) }
        // Of no effect on a flow that rules are asked about.
        return .init(family: family, type: denies ? (family == "IPv6" ? "133" : "13") : "TimeExceeded")
    }
}

extension ClusterGenerator {
    mutating func clusterNetworkPolicy(named name: String) -> ClusterNetworkPolicy {
        ClusterNetworkPolicy(
            name: name, tier: random.pick([.admin, .baseline]), priority: random.pick([0, 5, 5, 1000]),
            subject: pods(), ingress: rules(isEgress: false), egress: rules(isEgress: true))
    }

    private mutating func pods() -> ClusterNetworkPolicy.Pods {
        ClusterNetworkPolicy.Pods(
            namespaceSelector: namespaceSelector(), podSelector: random.chance(50) ? selector(emptyPercent: 20) : nil)
    }

    private mutating func rules(isEgress: Bool) -> [ClusterNetworkPolicy.Rule] {
        (0..<random.pick([0, 1, 2, 3])).map { _ in
            let peers = (0..<random.pick([1, 1, 2])).map { _ -> ClusterNetworkPolicy.Peer in
                if random.chance(5) { return .unknown(["domainNames"]) }
                guard isEgress, random.chance(40) else { return .pods(pods()) }
                return .networks((0..<random.pick([1, 2])).map { _ in random.pick(Self.ranges) })
            }
            let protocols = random.chance(50) ? nil : (0..<random.pick([1, 2])).map { _ in match() }
            return ClusterNetworkPolicy.Rule(
                action: random.pick([.accept, .deny, .pass]), peers: peers, protocols: protocols)
        }
    }

    private mutating func match() -> ClusterNetworkPolicy.ProtocolMatch {
        let name = random.pick(["TCP", "TCP", "UDP", "SCTP"])
        switch random.pick([0, 1, 1, 2, 3]) {
        case 0: return .ports(protocolName: name, first: nil, last: nil)
        case 2: return .named(random.pick(["http", "dns"]))
        case 3: return .ports(protocolName: name, first: random.pick([1, 50, 80]), last: random.pick([110, 1030]))
        default: return .ports(protocolName: name, first: random.pick([53, 80, 443, 8080]), last: nil)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine

/// All kinds of policies together, by what their documentation says, without a thought for speed. Like ``Reference``,
/// which it asks about NetworkPolicies, it shares nothing with the compiler but the objects as they were written.
struct FullReference {
    let cluster: Cluster
    private let base: Reference

    init(cluster: Cluster) {
        self.cluster = cluster
        base = Reference(cluster: cluster)
    }

    func allows(_ query: Query) -> Bool {
        for (direction, address, peer) in [
            (Direction.egress, query.source, query.destination), (.ingress, query.destination, query.source),
        ] {
            guard let resident = base.resident(address), resident.endpoint != 0 else { continue }
            if !allows(direction, resident.pod, peer, query) { return false }
        }
        return true
    }

    private enum Answer { case accept, deny, none }

    private func allows(_ direction: Direction, _ pod: Pod, _ peer: IPAddress, _ query: Query) -> Bool {
        switch answer(of: .admin, direction, pod, peer, query) {
        case .accept: return true
        case .deny: return false
        case .none: break
        }
        // "Deny policies take precedence over allow policies", whatever kind those are.
        let specs = self.specs(for: pod)
        if specs.contains(where: { matches($0, denies: true, direction, peer, query) }) { return false }
        if specs.contains(where: { matches($0, denies: false, direction, peer, query) }) { return true }
        let kubernetes = cluster.policies.values.filter {
            base.applies($0, to: pod)
                && (direction == .ingress ? base.isolatesIngress($0) : base.isolatesEgress($0))
        }
        if !kubernetes.isEmpty {
            let isAllowed = direction == .ingress ? base.ingress(of: pod, query) : base.egress(of: pod, query)
            return isAllowed
        }
        if specs.contains(where: { isDefaultDeny($0.spec, direction) }) { return false }
        return answer(of: .baseline, direction, pod, peer, query) != .deny
    }
}

// ClusterNetworkPolicy.
extension FullReference {
    /// Within a tier, lower priority values first, then rules in order; Pass ends the tier.
    private func answer(
        of tier: ClusterNetworkPolicy.Tier, _ direction: Direction, _ pod: Pod, _ peer: IPAddress, _ query: Query
    ) -> Answer {
        let policies = cluster.clusterPolicies.values.filter { $0.tier == tier && selects($0.subject, pod) }
            .sorted { ($0.priority, $0.name) < ($1.priority, $1.name) }
        for policy in policies {
            for rule in direction == .ingress ? policy.ingress : policy.egress {
                let isUnknown = rule.peers.contains { if case .unknown = $0 { true } else { false } }
                // "For Deny and Pass rules, fail closed means: treat the rule as a Deny all rule."
                if isUnknown, rule.action != .accept { return .deny }
                guard rule.peers.contains(where: { matches($0, peer) }), matches(rule.protocols, query) else {
                    continue
                }
                switch rule.action {
                case .accept: return .accept
                case .deny, .unknown: return .deny
                case .pass: return .none
                }
            }
        }
        return .none
    }

    private func selects(_ pods: ClusterNetworkPolicy.Pods, _ pod: Pod) -> Bool {
        base.matches(pods.namespaceSelector, namespaceLabels(of: pod))
            && (pods.podSelector.map { base.matches($0, pod.labels) } ?? true)
    }

    private func matches(_ peer: ClusterNetworkPolicy.Peer, _ address: IPAddress) -> Bool {
        switch peer {
        case .pods(let pods): base.resident(address).map { selects(pods, $0.pod) } ?? false
        case .networks(let networks): networks.contains { base.contains($0, address) }
        case .unknown: false
        }
    }

    private func matches(_ protocols: [ClusterNetworkPolicy.ProtocolMatch]?, _ query: Query) -> Bool {
        guard let protocols else { return true }
        return protocols.contains { match in
            switch match {
            case .named(let name): return hasPort(query, named: name)
            case .ports(let name, let first, let last):
                guard name == query.protocol.name else { return false }
                guard let first else { return true }
                return first <= Int(query.port) && Int(query.port) <= last ?? first
            }
        }
    }

    private func hasPort(_ query: Query, named name: String) -> Bool {
        base.resident(query.destination)?.pod.namedPorts
            .contains(NamedPort(name: name, protocol: query.protocol, port: query.port)) ?? false
    }

    private func namespaceLabels(of pod: Pod) -> [String: String] {
        var labels: [String: String] = [:]
        for label in cluster.namespaces[pod.namespace]?.labels ?? [:] { labels[label.key] = label.value }
        labels["kubernetes.io/metadata.name"] = pod.namespace
        return labels
    }
}

// SkeinNetworkPolicy and SkeinClusterNetworkPolicy.
extension FullReference {
    private typealias Owned = (namespace: String?, spec: SkeinNetworkPolicy.Spec)

    private func specs(for pod: Pod) -> [Owned] {
        cluster.skeinPolicies.values.flatMap { policy in
            ((policy.spec.map { [$0] } ?? []) + (policy.specs ?? [])).map { (policy.namespace, $0) }
        }.filter { (owned: Owned) in
            (owned.namespace == nil || owned.namespace == pod.namespace)
                && matchesPod(owned.spec.endpointSelector, pod, scopedTo: nil)
        }
    }

    private func isDefaultDeny(_ spec: SkeinNetworkPolicy.Spec, _ direction: Direction) -> Bool {
        switch direction {
        case .ingress:
            spec.enableDefaultDeny.ingress ?? ((spec.ingress ?? []).count + (spec.ingressDeny ?? []).count > 0)
        case .egress: spec.enableDefaultDeny.egress ?? ((spec.egress ?? []).count + (spec.egressDeny ?? []).count > 0)
        }
    }

    private func matches(
        _ owned: Owned, denies: Bool, _ direction: Direction, _ peer: IPAddress, _ query: Query
    ) -> Bool {
        let spec = owned.spec
        let rules =
            switch (direction, denies) {
            case (.ingress, false): spec.ingress
            case (.ingress, true): spec.ingressDeny
            case (.egress, false): spec.egress
            case (.egress, true): spec.egressDeny
            }
        return (rules ?? []).contains { rule in
            let hasPeers = rule.endpoints != nil || rule.cidrs != nil || rule.cidrSets != nil || rule.entities != nil
            let hasPorts = (rule.toPorts ?? []).count + (rule.icmps ?? []).count > 0
            if !hasPeers, !hasPorts { return false }
            return (!hasPeers || matchesPeer(rule, peer, owned.namespace)) && (!hasPorts || matchesPort(rule, query))
        }
    }

    private func matchesPeer(_ rule: SkeinNetworkPolicy.Rule, _ address: IPAddress, _ namespace: String?) -> Bool {
        for selector in rule.endpoints ?? [] {
            let keys = selector.matchLabels.map(\.key) + selector.matchExpressions.map(\.key)
            if keys.count == 1, let key = keys.first, key.hasPrefix("reserved:") {
                if names(of: address).contains(String(key.dropFirst("reserved:".count))) { return true }
            } else if let pod = base.resident(address)?.pod, matchesPod(selector, pod, scopedTo: namespace) {
                return true
            }
        }
        for entity in rule.entities ?? [] where names(of: address).contains(entity) { return true }
        // CIDR rules are about what is outside the cluster.
        guard names(of: address).contains("world") else { return false }
        for cidr in rule.cidrs ?? [] {
            let range = cidr.contains("/") ? cidr : cidr + (cidr.contains(":") ? "/128" : "/32")
            if base.contains(range, address) { return true }
        }
        return (rule.cidrSets ?? []).contains { set in
            base.contains(set.cidr, address) && !set.except.contains { base.contains($0, address) }
        }
    }

    /// All entities that an address belongs to.
    private func names(of address: IPAddress) -> Set<String> {
        if base.resident(address) != nil { return ["all", "cluster"] }
        if cluster.hosts.contains(address) { return ["all", "cluster", "host"] }
        if cluster.nodes.contains(address) { return ["all", "cluster", "remote-node"] }
        switch cluster.apiServers[address] {
        case .host: return ["all", "cluster", "host", "kube-apiserver"]
        case .remoteNode: return ["all", "cluster", "remote-node", "kube-apiserver"]
        case .outside: return ["all", "cluster", "world", "kube-apiserver"]
        case nil: break
        }
        switch cluster.reserved[address] {
        case .health: return ["all", "cluster", "health"]
        case .`init`: return ["all", "cluster", "init"]
        default: return ["all", "world"]
        }
    }

    /// The selector as it is written, on labels as the policy language has them.
    private func matchesPod(_ selector: LabelSelector, _ pod: Pod, scopedTo namespace: String?) -> Bool {
        func plain(_ key: String) -> String { String(key.split(separator: ":").last ?? "") }
        var wanted = LabelSelector()
        for label in selector.matchLabels { wanted.matchLabels[plain(label.key)] = label.value }
        wanted.matchExpressions = selector.matchExpressions.map {
            .init(key: plain($0.key), operator: $0.operator, values: $0.values)
        }
        var labels: [String: String] = [:]
        for label in pod.labels { labels[label.key] = label.value }
        labels["io.kubernetes.pod.namespace"] = pod.namespace
        for (key, value) in namespaceLabels(of: pod) {
            labels["io.cilium.k8s.namespace.labels." + key] = value
            labels["dev.skein.k8s.namespace.labels." + key] = value
        }
        // "If omitted, we limit the scope to the namespace the policy lives in."
        let keys = wanted.matchLabels.map(\.key) + wanted.matchExpressions.map(\.key)
        let isScoped = !keys.contains {
            $0 == "io.kubernetes.pod.namespace" || $0.contains(".k8s.namespace.labels.")
        }
        if isScoped, let namespace, pod.namespace != namespace { return false }
        return base.matches(wanted, labels)
    }

    private func matchesPort(_ rule: SkeinNetworkPolicy.Rule, _ query: Query) -> Bool {
        for port in (rule.toPorts ?? []).compactMap({ $0 }).joined() {
            let name = port.protocolName ?? ""
            guard query.protocol.hasPorts, ["", "ANY", query.protocol.name].contains(name) else { continue }
            if let number = Int(port.port) {
                if number == 0 { return true }
                let last = port.endPort ?? 0
                if number <= Int(query.port), Int(query.port) <= (last == 0 ? number : last) { return true }
            } else if hasPort(query, named: port.port.lowercased()) {
                return true
            }
        }
        for field in (rule.icmps ?? []).compactMap({ $0 }).joined()
        where ["8", "128", "EchoRequest"].contains(field.type) {
            if query.protocol == (field.family == "IPv6" ? .icmpv6 : .icmp) { return true }
        }
        return false
    }
}

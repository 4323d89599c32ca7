// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes

/// Kubernetes' page on network policies, sentence by sentence, without a thought for speed. It shares nothing with
/// the compiler but the objects as they were written.
struct Reference {
    let cluster: Cluster

    func allows(_ query: Query) -> Bool {
        let source = resident(query.source)
        let destination = resident(query.destination)
        // "For a connection from a source pod to a destination pod to be allowed, both the egress policy on the source
        // pod and the ingress policy on the destination pod need to allow the connection." Other nodes see to theirs.
        if let source, source.endpoint != 0, !egress(of: source.pod, query) { return false }
        if let destination, destination.endpoint != 0, !ingress(of: destination.pod, query) { return false }
        return true
    }

    func resident(_ address: IPAddress) -> Cluster.Inhabitant? {
        cluster.pods.values.first { $0.pod.addresses.contains(address) }
    }

    func egress(of pod: Pod, _ query: Query) -> Bool {
        let isolating = cluster.policies.values.filter { applies($0, to: pod) && isolatesEgress($0) }
        // "By default, a pod is non-isolated for egress; all outbound connections are allowed."
        if isolating.isEmpty { return true }
        // "the only allowed connections from the pod are those allowed by the egress list of some NetworkPolicy"
        return isolating.contains { policy in
            (policy.egress ?? []).contains { rule in
                matchesPeer(rule.to, query.destination, in: policy) && matchesPort(rule.ports, query)
            }
        }
    }

    func ingress(of pod: Pod, _ query: Query) -> Bool {
        let isolating = cluster.policies.values.filter { applies($0, to: pod) && isolatesIngress($0) }
        if isolating.isEmpty { return true }
        return isolating.contains { policy in
            (policy.ingress ?? []).contains { rule in
                matchesPeer(rule.from, query.source, in: policy) && matchesPort(rule.ports, query)
            }
        }
    }

    func applies(_ policy: NetworkPolicy, to pod: Pod) -> Bool {
        policy.namespace == pod.namespace && matches(policy.podSelector, pod.labels)
    }

    func isolatesIngress(_ policy: NetworkPolicy) -> Bool {
        guard let types = policy.policyTypes, types.count > 0 else { return true }
        return types.contains { $0.rawValue == "Ingress" }
    }

    func isolatesEgress(_ policy: NetworkPolicy) -> Bool {
        // "If no policyTypes are specified on a NetworkPolicy then by default Ingress will always be set and Egress
        // will be set if the NetworkPolicy has any egress rules."
        guard let types = policy.policyTypes, types.count > 0 else { return (policy.egress ?? []).count > 0 }
        return types.contains { $0.rawValue == "Egress" }
    }

    func matchesPeer(_ peers: [NetworkPolicy.Peer]?, _ address: IPAddress, in policy: NetworkPolicy) -> Bool {
        // "If this field is empty or missing, this rule matches all sources."
        guard let peers, peers.count > 0 else { return true }
        return peers.contains { peer in
            if let block = peer.ipBlock {
                return contains(block.cidr, address) && !block.except.contains { contains($0, address) }
            }
            guard let pod = resident(address)?.pod else { return false }
            let namespace: Bool
            if let selector = peer.namespaceSelector {
                var labels: [String: String] = [:]
                for label in cluster.namespaces[pod.namespace]?.labels ?? [:] { labels[label.key] = label.value }
                labels["kubernetes.io/metadata.name"] = pod.namespace
                namespace = matches(selector, labels)
            } else {
                namespace = pod.namespace == policy.namespace
            }
            // "If PodSelector is also set, selects the pods matching PodSelector in the namespaces selected."
            guard namespace else { return false }
            guard let selector = peer.podSelector else { return true }
            return matches(selector, pod.labels)
        }
    }

    func matchesPort(_ ports: [NetworkPolicy.Port]?, _ query: Query) -> Bool {
        // "If this field is empty or missing, this rule matches all ports (traffic not restricted by port)."
        guard let ports, ports.count > 0 else { return true }
        return ports.contains { port in
            guard (port.protocolName ?? "TCP") == query.protocol.name else { return false }
            switch port.port {
            // "If this field is not provided, this matches all port names and numbers."
            case nil: return true
            case .number(let number):
                return number <= Int(query.port) && Int(query.port) <= port.endPort ?? number
            case .name(let name):
                let named = resident(query.destination)?.pod.namedPorts ?? []
                return named.contains {
                    $0.name == name && $0.protocol == query.protocol && $0.port == query.port
                }
            }
        }
    }

    func matches(_ selector: LabelSelector, _ labels: Labels) -> Bool {
        var plain: [String: String] = [:]
        for label in labels { plain[label.key] = label.value }
        return matches(selector, plain)
    }

    func matches(_ selector: LabelSelector, _ labels: [String: String]) -> Bool {
        for wanted in selector.matchLabels where labels[wanted.key] != wanted.value { return false }
        for expression in selector.matchExpressions {
            let value = labels[expression.key]
            switch expression.operator.rawValue {
            case "In": if value == nil || !expression.values.contains(value ?? "") { return false }
            case "NotIn": if value != nil && expression.values.contains(value ?? "") { return false }
            case "Exists": if value == nil { return false }
            case "DoesNotExist": if value != nil { return false }
            default: return false
            }
        }
        return true
    }

    /// Bit by bit, on the text of the range.
    func contains(_ range: String, _ address: IPAddress) -> Bool {
        let parts = range.split(separator: "/")
        guard parts.count == 2, let base = IPAddress(parts[0]), let length = Int(parts[1]) else { return false }
        guard base.bytes.count == address.bytes.count else { return false }
        return bits(base).prefix(length) == bits(address).prefix(length)
    }

    func bits(_ address: IPAddress) -> [UInt8] {
        address.bytes.flatMap { byte in (0..<8).map { byte >> (7 - $0) & 1 } }
    }
}

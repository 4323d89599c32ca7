// SPDX-License-Identifier: Apache-2.0
import Model
import NetTypes
import PolicyEngine

/// A cluster to measure with: 10,000 pods, each an identity of its own, in 100 namespaces; one pod of each namespace is on
/// this node; ten policies a namespace, 1,000 in all.
struct Cluster {
    static let podCount = 10_000
    static let namespaceCount = 100
    static let policyCount = 1_000

    static func namespace(_ pod: Int) -> String { "ns-\(pod % namespaceCount)" }

    static func labels(_ pod: Int) -> SecurityLabels {
        let namespace = Namespace(name: namespace(pod))
        return SecurityLabels(
            namespace: namespace.name, namespace,
            podLabels: ["app": "app-\(pod / namespaceCount)", "tier": "tier-\(pod % 5)", "id": "pod-\(pod)"])
    }

    /// Pod 0 is 10.0.0.1.
    static func ipv4(_ pod: Int) -> IPAddress { IPAddress(v4: 0x0a00_0001 + UInt32(pod)) }
    static func ipv6(_ pod: Int) -> IPAddress { IPAddress(high: 0xfd00_0000_0000_0000, low: UInt64(pod) + 1) }

    /// Pods 0 to 99 are endpoints 1 to 100.
    static func endpoint(_ pod: Int) -> PolicyEndpoint {
        PolicyEndpoint(
            number: UInt16(pod + 1), addresses: [ipv4(pod), ipv6(pod)], labels: labels(pod))
    }

    /// Pods of the namespace may be reached by those of the next one, on some ports; every tenth policy has address blocks,
    /// and every other also isolates what leaves.
    static func policy(_ number: Int) -> PolicyObject {
        let namespace = number % namespaceCount
        let variant = number / namespaceCount
        let reference = ObjectReference(
            kind: "NetworkPolicy", namespace: "ns-\(namespace)", name: "policy-\(variant)")
        let next = "ns-\((namespace + 1) % namespaceCount)"
        let previous = "ns-\((namespace + namespaceCount - 1) % namespaceCount)"
        func apps(_ first: Int) -> LabelSelector {
            LabelSelector(matchExpressions: [
                .init(key: "app", operator: .in, values: (first..<first + 10).map { "app-\($0 % 100)" })
            ])
        }
        func peers(_ name: String) -> [PeerSelector] {
            [.pods(PodSelector(namespaces: .named(name), pods: apps(variant * 10)))]
        }
        var blocks: [PeerSelector] = []
        if variant == 9, let prefix = Prefix(IPAddress(v4: 0xc000_0000 + UInt32(namespace) << 16), length: 16) {
            blocks = [.addresses(AddressBlock(prefix))]
        }
        let ports = [PortSelector.range(.tcp, PortRange(first: 8080, last: 8083) ?? PortRange(8080))]
        var rules = [
            PolicyRule(
                action: .allow, direction: .ingress, peers: peers(previous) + blocks, ports: ports,
                origin: RuleOrigin(object: reference, direction: .ingress, index: 0))
        ]
        var isolates: Set<Direction> = [.ingress]
        if variant % 2 == 0 {
            isolates.insert(.egress)
            rules.append(
                PolicyRule(
                    action: .allow, direction: .egress, peers: peers(next), ports: ports,
                    origin: RuleOrigin(object: reference, direction: .egress, index: 0)))
        }
        return PolicyObject(
            reference: reference, subject: PodSelector(namespaces: .named("ns-\(namespace)")), defaultDeny: isolates,
            rules: rules)
    }

    /// Everything but the endpoints from `endpoints` on and policies from `policies` on.
    static func compiler(endpoints: Int = namespaceCount, policies: Int = policyCount) -> PolicyCompiler {
        var compiler = PolicyCompiler()
        for pod in 0..<endpoints { compiler.stage(endpoint(pod)) }
        for pod in endpoints..<podCount {
            compiler.stage(.pod(labels(pod), namedPorts: []), at: ipv4(pod))
            compiler.stage(.pod(labels(pod), namedPorts: []), at: ipv6(pod))
        }
        for number in 0..<policies { compiler.stage(policy(number)) }
        return compiler
    }
}

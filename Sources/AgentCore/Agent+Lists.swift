// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import Model
import NetTypes
import PolicyEngine

extension Agent {
    /// Every endpoint, by number.
    package func endpoints() -> [EndpointInfo] { endpointTable.all.map(info) }

    /// nil when it is unknown.
    package func endpoint(_ key: EndpointKey) -> EndpointInfo? { endpointTable[key].map(info) }

    private func info(_ record: EndpointRecord) -> EndpointInfo {
        let view = record.state == .ready ? policy.view(of: record.number) : nil
        let labels = policy.labels(of: record)
        return EndpointInfo(
            number: record.number, containerID: record.key.containerID, interface: record.key.interface,
            network: record.network, netns: record.netns, podNamespace: record.podNamespace, podName: record.podName,
            podUID: record.podUID, labels: Dictionary(labels), ipv4: record.ipv4, ipv6: record.ipv6,
            podMAC: record.podMAC, gatewayMAC: record.gatewayMAC, mtu: mtu, hostInterface: record.hostInterface,
            hostIfindex: record.ifindex, state: record.state, since: record.since,
            addMilliseconds: record.addMilliseconds, identity: view?.identity ?? 0, policy: view?.policy ?? 0,
            enforceIngress: view?.enforceIngress ?? false, enforceEgress: view?.enforceEgress ?? false,
            policies: view == nil ? [] : policy.policies(selecting: record).map(\.description))
    }

    /// What this node knows of, by number: pods here and elsewhere, the node and the world.
    package func identities() -> [IdentityInfo] { policy.identities() }

    /// Every policy object, by namespace and name; one with several parts that hold for different pods is there several
    /// times.
    package func policies() throws -> [PolicyInfo] {
        let objects = policy.policies.sorted { $0.key < $1.key }.flatMap(\.value)
        let cookies = policy.cookies()
        let hits = try datapath?.readRuleHits(Array(cookies.values)) ?? [:]
        return objects.map { info($0, hits: { origin in cookies[origin].flatMap { hits[$0] } ?? 0 }) }
    }

    private func info(_ object: PolicyObject, hits: (RuleOrigin) -> UInt64) -> PolicyInfo {
        let selected = policy.endpoints.values.filter { object.subject.matches(policy.securityLabels(of: $0)) }
        return PolicyInfo(
            kind: object.reference.kind, namespace: object.reference.namespace, name: object.reference.name,
            tier: PolicyText.tier(object.rules.first?.tier ?? .networkPolicy),
            subject: PolicyText.subject(object.subject),
            directions: Direction.allCases.filter(object.defaultDeny.contains).map { PolicyDirection($0) },
            endpoints: selected.map(\.number).sorted(),
            rules: object.rules.map { rule in
                RuleInfo(
                    direction: PolicyDirection(rule.direction), index: rule.origin.index + 1,
                    action: PolicyText.action(rule.action), peers: PolicyText.peers(rule.peers),
                    ports: PolicyText.ports(rule.ports), hits: hits(rule.origin))
            })
    }
}

extension [String: String] {
    init(_ labels: Labels) {
        self.init(uniqueKeysWithValues: labels.map { ($0.key, $0.value) })
    }
}

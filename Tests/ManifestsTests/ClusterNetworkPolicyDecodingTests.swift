// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding
import Testing

@testable import Manifests

@Suite struct ClusterNetworkPolicyDecodingTests {
    private func text(_ rest: String) -> String {
        """
        apiVersion: policy.networking.k8s.io/v1alpha2
        kind: ClusterNetworkPolicy
        metadata: {name: p}
        spec: {tier: Admin, priority: 5, subject: {namespaces: {}}\(rest.isEmpty ? "" : ", ")\(rest)}
        """
    }

    private func policy(_ text: String) -> ClusterNetworkPolicy? {
        let decoded = decode(text)
        #expect(decoded.errors.map(\.description) == [])
        guard case .clusterNetworkPolicy(let policy)? = decoded.objects.first?.object else { return nil }
        return policy
    }

    @Test func `everything that a policy can say is read`() {
        let policy = policy(
            text(
                """
                ingress: [
                  {name: first, action: Accept, from: [{namespaces: {matchLabels: {a: b}}}], protocols: [
                    {tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 1, end: 9}}}},
                    {sctp: {}}, {destinationNamedPort: http}]},
                  {action: Pass, from: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {c: d}}}}]}],
                egress: [{action: Deny, to: [{networks: [10.0.0.0/8]}]}]
                """))
        let first = ClusterNetworkPolicy.Rule(
            name: "first", action: .accept,
            peers: [.pods(.init(namespaceSelector: LabelSelector(matchLabels: ["a": "b"])))],
            protocols: [
                .ports(protocolName: "TCP", first: 80, last: nil), .ports(protocolName: "UDP", first: 1, last: 9),
                .ports(protocolName: "SCTP", first: nil, last: nil), .named("http"),
            ])
        let second = ClusterNetworkPolicy.Rule(
            action: .pass,
            peers: [
                .pods(
                    .init(
                        namespaceSelector: LabelSelector(), podSelector: LabelSelector(matchLabels: ["c": "d"])))
            ])
        #expect(
            policy
                == ClusterNetworkPolicy(
                    name: "p", tier: .admin, priority: 5, subject: .init(namespaceSelector: LabelSelector()),
                    ingress: [first, second],
                    egress: [.init(action: .deny, peers: [.networks(["10.0.0.0/8"])])]))
    }

    @Test func `a peer of an unknown kind is kept as one`() {
        let policy = policy(
            text("egress: [{action: Accept, to: [{domainNames: [a.b]}, {networks: [10.0.0.0/8]}]}]"))
        #expect(policy?.egress.first?.peers.first == .unknown(["domainNames"]))
        #expect(policy?.unknownPeerFields == ["spec.egress[0].to[0].domainNames"])
    }

    @Test(
        arguments: [
            ("ingres: []", ["spec.ingres: unknown field; did you mean \"ingress\"?"]),
            (
                "ingress: [{action: Allow, from: [{namespaces: {}}]}]",
                ["spec.ingress[0].action: \"Allow\" is none of Accept, Deny, Pass"]
            ),
            ("ingress: [{action: Accept, from: []}]", ["spec.ingress[0].from: must have 1 to 25 elements"]),
            ("ingress: [{action: Accept}]", ["spec.ingress[0].from: the field is required"]),
            (
                "ingress: [{action: Accept, from: [{}]}]",
                ["spec.ingress[0].from[0]: must have exactly one field: namespaces, pods"]
            ),
            (
                "egress: [{action: Accept, to: [{namespaces: {}, nodes: {}}]}]",
                ["spec.egress[0].to[0].nodes: unknown field"]
            ),
            (
                "egress: [{action: Accept, to: [{networks: [10.0.0.0]}]}]",
                ["spec.egress[0].to[0].networks[0]: \"10.0.0.0\" is not a range like 10.0.0.0/8 or fd00::/8"]
            ),
            (
                "egress: [{action: Accept, to: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 0}}}]}]",
                ["spec.egress[0].protocols[0].tcp.destinationPort.number: \"0\" must be between 1 and 65535"]
            ),
            (
                """
                egress: [{action: Accept, to: [{namespaces: {}}],
                protocols: [{tcp: {destinationPort: {range: {start: 9, end: 9}}}}]}]
                """,
                ["spec.egress[0].protocols[0].tcp.destinationPort.range.end: 9 must be greater than start 9"]
            ),
        ])
    func `what is wrong is named with its field`(rest: String, expected: [String]) {
        let decoded = decode(text(rest))
        #expect(decoded.objects.isEmpty)
        #expect(decoded.errors.map { "\($0.field ?? ""): \($0.message)" } == expected)
    }
}

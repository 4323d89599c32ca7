// SPDX-License-Identifier: Apache-2.0
import Model
import ObjectDecoding
import Testing

@testable import Manifests

@Suite struct SkeinPolicyDecodingTests {
    private func text(_ spec: String, kind: String = "SkeinNetworkPolicy") -> String {
        let lines = spec.split(separator: "\n", omittingEmptySubsequences: false)
        return """
            apiVersion: skein.dev/v1
            kind: \(kind)
            metadata: {name: web}
            spec:
            \(lines.map { "  " + $0 }.joined(separator: "\n"))

            """
    }

    private func policy(_ text: String) -> SkeinNetworkPolicy? {
        let decoded = decode(text)
        #expect(decoded.errors.map(\.description) == [])
        guard case .skeinNetworkPolicy(let policy)? = decoded.objects.first?.object else { return nil }
        return policy
    }

    /// Without file and object.
    private func errors(_ spec: String, kind: String = "SkeinNetworkPolicy") -> [String] {
        decode(text(spec, kind: kind)).errors.map { "\($0.field ?? ""): \($0.message)" }
    }

    @Test func `everything that a policy can say is read`() {
        let policy = policy(
            text(
                """
                description: who reaches the web
                labels: [{key: team, value: a, source: k8s}]
                endpointSelector: {matchLabels: {app: web}}
                enableDefaultDeny: {egress: false}
                ingress:
                - fromEndpoints:
                  - matchLabels: {"k8s:io.kubernetes.pod.namespace": other, "k8s:app": client}
                  toPorts:
                  - ports:
                    - {port: "80", protocol: TCP}
                    - {port: 8000, endPort: 8080}
                - fromCIDR: [192.0.2.0/24, "2001:db8::1"]
                - fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.1.0.0/16]}]
                - icmps: [{fields: [{type: 8}, {type: EchoRequest, family: IPv6}]}]
                ingressDeny:
                - fromEntities: [world]
                egress:
                - {}
                egressDeny:
                - toPorts: [{ports: [{port: dns, protocol: UDP}]}]
                """))
        let expected = SkeinNetworkPolicy.Spec(
            endpointSelector: LabelSelector(matchLabels: ["app": "web"]),
            ingress: [
                .init(
                    endpoints: [
                        LabelSelector(
                            matchLabels: ["k8s:io.kubernetes.pod.namespace": "other", "k8s:app": "client"])
                    ],
                    toPorts: [[.init(port: "80", protocolName: "TCP"), .init(port: "8000", endPort: 8080)]]),
                .init(cidrs: ["192.0.2.0/24", "2001:db8::1"]),
                .init(cidrSets: [.init(cidr: "10.0.0.0/8", except: ["10.1.0.0/16"])]),
                .init(icmps: [[.init(type: "8"), .init(family: "IPv6", type: "EchoRequest")]]),
            ],
            ingressDeny: [.init(entities: ["world"])], egress: [.init()],
            egressDeny: [.init(toPorts: [[.init(port: "dns", protocolName: "UDP")]])],
            enableDefaultDeny: .init(egress: false), description: "who reaches the web",
            labels: [.init(key: "team", value: "a", source: "k8s")])
        #expect(policy == SkeinNetworkPolicy(namespace: "default", name: "web", spec: expected))
        #expect(policy?.reference.description == "SkeinNetworkPolicy default/web")
    }

    @Test func `the cluster's kind has no namespace, and either kind may have several specs`() {
        let policy = policy(
            """
            apiVersion: skein.dev/v1
            kind: SkeinClusterNetworkPolicy
            metadata: {name: all}
            specs:
            - {endpointSelector: {}, ingress: []}
            - {endpointSelector: {}, egress: []}
            """)
        #expect(policy?.namespace == nil && policy?.spec == nil && policy?.specs?.count == 2)
        #expect(policy?.reference.description == "SkeinClusterNetworkPolicy all")
        let inNamespace = "kind: SkeinClusterNetworkPolicy\nmetadata: {name: a, namespace: b}\n"
        #expect(
            decode("apiVersion: skein.dev/v1\n" + inNamespace).errors.map(\.message) == [
                "a SkeinClusterNetworkPolicy is in no namespace: metadata.namespace must go"
            ])
    }

    @Test(
        arguments: [
            ("endpointSelector: {}\nnodeSelector: {}\ningress: []", "spec.nodeSelector"),
            ("endpointSelector: {}\nlog: {value: x}\ningress: []", "spec.log"),
            ("endpointSelector: {}\ningress: [{fromRequires: []}]", "spec.ingress[0].fromRequires"),
            ("endpointSelector: {}\ningress: [{fromNodes: [{}]}]", "spec.ingress[0].fromNodes"),
            ("endpointSelector: {}\ningress: [{fromGroups: [{}]}]", "spec.ingress[0].fromGroups"),
            ("endpointSelector: {}\ningress: [{authentication: {}}]", "spec.ingress[0].authentication"),
            ("endpointSelector: {}\negress: [{}, {toFQDNs: [{matchName: a.b}]}]", "spec.egress[1].toFQDNs"),
            ("endpointSelector: {}\negress: [{toServices: []}]", "spec.egress[0].toServices"),
            ("endpointSelector: {}\negressDeny: [{toGroups: []}]", "spec.egressDeny[0].toGroups"),
            ("endpointSelector: {}\negress: [{toNodes: []}]", "spec.egress[0].toNodes"),
            (
                "endpointSelector: {}\negress: [{toCIDRSet: [{cidr: 10.0.0.0/8, cidrGroupRef: a}]}]",
                "spec.egress[0].toCIDRSet[0].cidrGroupRef"
            ),
            (
                "endpointSelector: {}\ningress: [{toPorts: [{ports: [{port: 80}], rules: {http: [{}]}}]}]",
                "spec.ingress[0].toPorts[0].rules"
            ),
            (
                "endpointSelector: {}\ningress: [{toPorts: [{ports: [{port: 80}], terminatingTLS: {}}]}]",
                "spec.ingress[0].toPorts[0].terminatingTLS"
            ),
            (
                "endpointSelector: {}\negress: [{toPorts: [{ports: [{port: 80}], serverNames: [a]}]}]",
                "spec.egress[0].toPorts[0].serverNames"
            ),
            (
                "endpointSelector: {}\negress: [{toPorts: [{ports: [{port: 80}], listener: {}}]}]",
                "spec.egress[0].toPorts[0].listener"
            ),
        ])
    func `a field that is not there yet refuses the policy by its name`(spec: String, path: String) {
        let decoded = decode(text(spec))
        #expect(decoded.objects.isEmpty)
        #expect(decoded.errors.map(\.field) == [path])
        #expect(decoded.errors.allSatisfy { $0.message.contains("the whole policy is refused") })
        #expect(decoded.errors.allSatisfy { $0.object == "SkeinNetworkPolicy default/web" && $0.line >= 5 })
    }

    @Test(
        arguments: [
            ("ingress: []", ["spec.endpointSelector: the field is required ({} selects every pod)"]),
            (
                "endpointSelector: {}",
                ["spec: must have at least one of ingress, ingressDeny, egress, egressDeny"]
            ),
            (
                "endpointSelector: {}\ningress: [{fromEndpoint: []}]",
                ["spec.ingress[0].fromEndpoint: unknown field; did you mean \"fromEndpoints\"?"]
            ),
            ("endpointSelector: {}\ningress: [{toEndpoints: []}]", ["spec.ingress[0].toEndpoints: unknown field"]),
            ("endpointSelector: {}\ningress:", ["spec.ingress: must be a list, not nothing"]),
            (
                "endpointSelector: {}\ningress: [{fromEndpoints: }]",
                ["spec.ingress[0].fromEndpoints: must be a list, not nothing"]
            ),
            (
                "endpointSelector: {}\ningress: [{fromEntities: [wrld]}]",
                [
                    "spec.ingress[0].fromEntities[0]: \"wrld\" is none of host, remote-node, kube-apiserver, health, init, "
                        + "world, cluster, all"
                ]
            ),
            (
                "endpointSelector: {}\negressDeny: [{toEntities: [world, kube-apiserver]}]",
                ["spec.egressDeny[0].toEntities[1]: \"kube-apiserver\" is not supported yet: nobody is known to be it"]
            ),
            (
                "endpointSelector: {}\ningress: [{fromEndpoints: [{matchLabels: {\"reserved:remote-node\": \"\"}}]}]",
                ["spec.ingress[0].fromEndpoints[0]: \"remote-node\" is not supported yet: nobody is known to be it"]
            ),
            (
                "endpointSelector: {}\ningress: [{fromEntities: [host], fromCIDR: [10.0.0.0/8]}]",
                ["spec.ingress[0]: can't have fromCIDR and fromEntities at once: write a rule for each"]
            ),
            (
                "endpointSelector: {}\negress: [{toCIDR: [10.0.0.0/33]}]",
                ["spec.egress[0].toCIDR[0]: \"10.0.0.0/33\" is no address and no range like 10.0.0.0/8"]
            ),
            (
                "endpointSelector: {}\negress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]}]",
                ["spec.egress[0].toCIDRSet[0].except[0]: \"11.0.0.0/16\" must be a part of 10.0.0.0/8"]
            ),
            (
                "endpointSelector: {}\ningress: [{toPorts: [{}]}]",
                ["spec.ingress[0].toPorts[0].ports: must have at least one port: for all of them, leave toPorts out"]
            ),
            (
                "endpointSelector: {}\ningress: [{toPorts: [{ports: [{port: \"080\"}]}]}]",
                [
                    "spec.ingress[0].toPorts[0].ports[0].port: \"080\" is neither a number from 0 to 65535 nor a port's name"
                ]
            ),
            (
                "endpointSelector: {}\ningress: [{toPorts: [{ports: [{port: 90, endPort: 80, protocol: tcp}]}]}]",
                [
                    "spec.ingress[0].toPorts[0].ports[0].protocol: \"tcp\" is none of TCP, UDP, SCTP, ANY",
                    "spec.ingress[0].toPorts[0].ports[0].endPort: 80 must not be less than port 90",
                ]
            ),
            (
                "endpointSelector: {}\ningress: [{toPorts: [{ports: [{port: 8, protocol: ICMP}]}]}]",
                [
                    "spec.ingress[0].toPorts[0].ports[0].protocol: \"ICMP\" is none of TCP, UDP, SCTP, ANY (write it under "
                        + "icmps)"
                ]
            ),
            (
                "endpointSelector: {}\ningress: [{icmps: [{fields: [{type: 13}, {type: Echo, family: IPv6}]}]}]",
                [
                    "spec.ingress[0].icmps[0].fields[0].type: 13 can't be allowed yet: echo and errors are all the ICMP "
                        + "that passes",
                    "spec.ingress[0].icmps[0].fields[1].type: \"Echo\" is neither a number from 0 to 255 nor a type's name",
                ]
            ),
            (
                "endpointSelector: {}\ningressDeny: [{icmps: [{fields: [{type: TimeExceeded}]}]}]",
                [
                    "spec.ingressDeny[0].icmps[0].fields[0].type: TimeExceeded can't be denied alone: it passes or not with "
                        + "the flow it belongs to"
                ]
            ),
            (
                "endpointSelector: {}\ningress: [{icmps: [{fields: [{type: 8}]}], toPorts: [{ports: [{port: 1}]}]}]",
                ["spec.ingress[0].icmps: can't be together with toPorts: write a rule for each"]
            ),
            (
                "endpointSelector: {matchLabels: {io.kubernetes.pod.namespace: other}}\ningress: []",
                ["spec.endpointSelector: a policy holds for pods of its own namespace default, not of other"]
            ),
            (
                "endpointSelector: {matchLabels: {\"reserved:init\": \"\"}}\ningress: []",
                ["spec.endpointSelector: a policy can't hold for reserved labels yet"]
            ),
            (
                "endpointSelector: {}\ningress: [{fromEndpoints: [{matchLabels: {\"container:a\": b}}]}]",
                [
                    "spec.ingress[0].fromEndpoints[0].matchLabels[container:a]: no label here has the source "
                        + "\"container\": k8s, any and reserved are known"
                ]
            ),
            (
                "endpointSelector: {}\ningress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.cluster: b}}]}]",
                [
                    "spec.ingress[0].fromEndpoints[0].matchLabels[io.cilium.k8s.policy.cluster]: selecting by "
                        + "\"io.cilium.k8s.policy.cluster\" is not supported yet"
                ]
            ),
            (
                "endpointSelector: {}\ningress: [{fromEndpoints: [{matchLabels: {\"reserved:host\": \"\", a: b}}]}]",
                [
                    "spec.ingress[0].fromEndpoints[0]: a reserved label must be the only one in its selector: nothing has "
                        + "it and others"
                ]
            ),
        ])
    func `what is wrong is named with its field`(spec: String, expected: [String]) {
        #expect(errors(spec) == expected)
    }

    @Test func `kinds of skein.dev that are none are misspelt, others are left to others`() {
        #expect(decode("apiVersion: skein.dev/v1\nkind: SkeinPolicy\n").errors.count == 1)
        #expect(decode("apiVersion: skein.dev/v1\nkind: SkeinNode\n").ignored.count == 1)
        #expect(decode(text("endpointSelector: {}", kind: "skeinnetworkpolicy")).errors.count == 1)
    }
}

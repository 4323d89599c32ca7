// SPDX-License-Identifier: Apache-2.0
import KubeClient

extension Scenario {
    /// SkeinNetworkPolicies that allow.
    static let skeinPolicies: [Scenario] = [
        skein(
            "snp-all-ingress-deny", "an empty rule lets nobody in",
            [
                cannot(.client, .otherClient, .stranger, reach: .nearHTTP, .nearUDP, .nearPing),
                can(.client, .otherClient, .stranger, reach: .farHTTP),
            ], of: pods("name", "echo-near"), ["ingress": [[:]]]),
        skein(
            "snp-all-egress-deny", "an empty rule lets nothing out",
            [
                cannot(.client, reach: .nearHTTP, .farHTTP, .farUDP, .farPing, .service),
                can(.otherClient, reach: .nearHTTP, .farHTTP),
            ], of: client, ["egress": [[:]]]),
        skein(
            "snp-client-ingress", "from one pod only, on every node",
            [
                can(.client, reach: .nearHTTP, .farHTTP, .nearUDP),
                cannot(.otherClient, .stranger, reach: .nearHTTP, .farHTTP),
            ], of: echoPods, ["ingress": [["fromEndpoints": [client]]]]),
        skein(
            "snp-client-ingress-icmp", "pings, and nothing else",
            [
                can(.client, reach: .nearPing, .farPing),
                cannot(.client, reach: .nearHTTP, .farHTTP, .farUDP),
            ], of: echoPods, ["ingress": [["fromEndpoints": [[:]], "icmps": [echoRequests]]]]),
        skein(
            "snp-named-port", "to a port by its name",
            [
                can(.client, .otherClient, reach: .nearHTTP, .farHTTP),
                cannot(.client, .otherClient, reach: .nearOther, .farOther),
            ], of: echoPods, ["ingress": [["fromEndpoints": [[:]], "toPorts": [port("http")]]]]),
        skein(
            "snp-namespace", "from another namespace only",
            [
                can(.stranger, reach: .nearHTTP, .farHTTP),
                cannot(.client, .otherClient, reach: .nearHTTP, .farHTTP),
            ], of: echoPods
        ) { topology in
            let namespace = JSON.labels("k8s:io.kubernetes.pod.namespace", topology.otherNamespace)
            return ["ingress": [["fromEndpoints": [["matchLabels": namespace]]]]]
        },
        skein(
            "snp-client-egress", "to one kind of pod and one port",
            [
                can(.client, reach: .nearHTTP, .farHTTP),
                cannot(.client, reach: .nearOther, .farOther, .farUDP),
                can(.otherClient, reach: .farOther),
            ], of: client, ["egress": [["toEndpoints": [echoPods], "toPorts": [port("8080")]]]]),
        skein(
            "snp-client-egress-expression", "to all pods but one, by an expression",
            [
                can(.client, reach: .nearHTTP),
                cannot(.client, reach: .farHTTP),
            ], of: client,
            [
                "egress": [
                    [
                        "toEndpoints": [
                            ["matchExpressions": [["key": "name", "operator": "NotIn", "values": ["echo-far"]]]]
                        ]
                    ]
                ]
            ]),
        skein(
            "snp-to-cluster", "the entity cluster: pods of all nodes",
            [
                can(.client, reach: .nearHTTP, .farHTTP),
                cannot(.client, reach: .nearClosed),
            ], of: client, ["egress": [["toEntities": ["cluster"]]]]),
        skein(
            "snp-to-host", "the entity host: the pod's own node, and no pods",
            [
                can(.client, reach: .clientNode),
                cannot(.client, reach: .nearHTTP, .farHTTP),
            ], of: client, ["egress": [["toEntities": ["host"]]]]),
        skein(
            "snp-to-remote-node", "the entity remote-node: other nodes, and no pods", needs: [.twoNodes],
            [
                can(.client, reach: .otherNode),
                cannot(.client, reach: .nearHTTP, .farHTTP),
            ], of: client, ["egress": [["toEntities": ["remote-node"]]]]),
        skein(
            "snp-from-remote-node", "the entity remote-node comes in, pods do not", needs: [.twoNodes],
            [
                can(.host, reach: .nearHTTP),
                cannot(.client, .otherClient, reach: .nearHTTP),
            ], of: pods("name", "echo-near"), ["ingress": [["fromEntities": ["remote-node"]]]]),
        skein(
            "snp-to-kube-apiserver", "the entity kube-apiserver, and no pods", needs: [.apiServer],
            [
                can(.client, reach: .apiServer),
                cannot(.client, reach: .nearHTTP, .farHTTP),
            ], of: client, ["egress": [["toEntities": ["kube-apiserver"]]]]),
        skein(
            "snp-to-world", "the entity world, and no pods", needs: [.world],
            [
                can(.client, reach: .world),
                cannot(.client, reach: .nearHTTP, .farHTTP),
            ], of: client, ["egress": [["toEntities": ["world"]]]]),
        skein(
            "snp-allow-all-but-world", "every entity but world", needs: [.world],
            [
                can(.client, reach: .nearHTTP, .farHTTP),
                cannot(.client, reach: .world),
            ], of: client, ["egress": [["toEntities": ["cluster"]]]]),
        skein(
            "snp-to-cidr", "blocks outside; they never mean pods", needs: [.world],
            [
                can(.client, reach: .world),
                cannot(.client, reach: .nearHTTP, .farHTTP),
            ], of: client
        ) { topology in
            let addresses = topology.world.map(\.address) + (topology.echoes[.near] ?? [])
            return ["egress": [["toCIDR": .array(addresses.map { .string(single($0)) })]]]
        },
    ]

    static let client = pods("name", "client")
    static let echoRequests: JSON = [
        "fields": [["family": "IPv4", "type": "EchoRequest"], ["family": "IPv6", "type": "EchoRequest"]]
    ]

    static func port(_ port: String) -> JSON { ["ports": [["port": .string(port), "protocol": "TCP"]]] }

    /// With one SkeinNetworkPolicy.
    static func skein(
        _ name: String, _ about: String, needs: Set<Need> = [], _ expectations: [[Expectation]], of selector: JSON,
        _ rules: JSON
    ) -> Scenario {
        skein(name, about, needs: needs, expectations, of: selector) { _ in rules }
    }

    static func skein(
        _ name: String, _ about: String, needs: Set<Need> = [], _ expectations: [[Expectation]], of selector: JSON,
        rules: @escaping @Sendable (Topology) -> JSON
    ) -> Scenario {
        Scenario(name, about, needs: needs.union([.skeinKinds]), expectations) { topology in
            [snp(topology, of: selector, rules(topology))]
        }
    }

    static func snp(_ topology: Topology, of selector: JSON, _ rules: JSON) -> Object {
        var spec = rules
        spec["endpointSelector"] = selector
        return Object(
            kind: Kinds.skeinNetworkPolicies,
            document: KubeDocument(
                metadata: ObjectMeta(
                    name: "scenario", namespace: topology.namespace, labels: TestObjects.labels(topology)),
                json: ["spec": spec]))
    }
}

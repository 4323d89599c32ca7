// SPDX-License-Identifier: Apache-2.0
import KubeClient

extension Scenario {
    /// SkeinNetworkPolicies that refuse what else would be allowed.
    static let skeinDenials: [Scenario] = [
        skein(
            "snp-deny-ingress", "everybody but one pod",
            [
                can(.client, .stranger, reach: .nearHTTP, .farHTTP),
                cannot(.otherClient, reach: .nearHTTP, .farHTTP, .farUDP),
            ], of: echoPods,
            [
                "ingress": [["fromEntities": ["all"]]],
                "ingressDeny": [["fromEndpoints": [pods("name", "other-client")]]],
            ]),
        skein(
            "snp-deny-named-port", "every port but one, by its name",
            [
                can(.client, .otherClient, reach: .nearHTTP, .farHTTP, .farUDP),
                cannot(.client, .otherClient, reach: .nearOther, .farOther),
            ], of: echoPods,
            [
                "ingress": [["fromEntities": ["all"]]],
                "ingressDeny": [["fromEndpoints": [[:]], "toPorts": [port("other")]]],
            ]),
        skein(
            "snp-deny-icmp", "everything but pings",
            [
                can(.client, reach: .nearHTTP, .farHTTP, .farUDP),
                cannot(.client, reach: .nearPing, .farPing),
            ], of: echoPods,
            [
                "ingress": [["fromEntities": ["all"]]],
                "ingressDeny": [["fromEndpoints": [[:]], "icmps": [echoRequests]]],
            ]),
        skein(
            "snp-deny-egress", "to everybody but one pod",
            [
                can(.client, reach: .nearHTTP),
                cannot(.client, reach: .farHTTP, .farOther, .farUDP),
                can(.otherClient, reach: .farHTTP),
            ], of: client,
            [
                "egress": [["toEntities": ["all"]]],
                "egressDeny": [["toEndpoints": [pods("name", "echo-far")]]],
            ]),
        skein(
            "snp-deny-all-entities", "nothing at all, whatever is allowed",
            [
                cannot(.client, reach: .nearHTTP, .farHTTP, .farPing, .service),
                can(.otherClient, reach: .nearHTTP, .farHTTP),
            ], of: client,
            ["egress": [["toEntities": ["all"]]], "egressDeny": [["toEntities": ["all"]]]]),
        skein(
            "snp-deny-cidr", "everything but a block outside", needs: [.world],
            [
                can(.client, reach: .nearHTTP, .farHTTP),
                cannot(.client, reach: .world),
            ], of: client
        ) { topology in
            [
                "egress": [["toEntities": ["all"]]],
                "egressDeny": [["toCIDR": .array(topology.world.map { .string(single($0.address)) })]],
            ]
        },
        Scenario(
            "snp-deny-over-np", "what it refuses, no NetworkPolicy can allow", needs: [.skeinKinds],
            [
                can(.client, reach: .nearHTTP, .farHTTP),
                cannot(.otherClient, .stranger, reach: .nearHTTP, .farHTTP),
            ]
        ) { topology in
            [
                np(
                    topology, echoPods, types: ["Ingress"],
                    ["ingress": [["from": [["podSelector": ["matchLabels": ["kind": "client"]]]]]]]),
                snp(
                    topology, of: echoPods,
                    ["ingressDeny": [["fromEndpoints": [pods("name", "other-client")]]]]),
            ]
        },
        skein(
            "snp-no-default-deny", "what it refuses, and nothing else",
            [
                can(.client, .stranger, reach: .nearHTTP, .farHTTP),
                cannot(.otherClient, reach: .nearHTTP, .farHTTP),
            ], of: echoPods,
            [
                "ingressDeny": [["fromEndpoints": [pods("name", "other-client")]]],
                "enableDefaultDeny": ["ingress": false],
            ]),
    ]

    /// SkeinClusterNetworkPolicies, for pods of the test's namespaces only.
    static let clusterPolicies: [Scenario] = [
        Scenario(
            "scnp-namespaces", "pods of one namespace may come to pods of another, and nobody else",
            needs: [.skeinKinds],
            [
                can(.stranger, reach: .nearHTTP, .farHTTP),
                cannot(.client, .otherClient, reach: .nearHTTP, .farHTTP),
            ]
        ) { topology in
            [
                scnp(
                    topology, of: namespace(topology.namespace),
                    ["ingress": [["fromEndpoints": [namespace(topology.otherNamespace)]]]])
            ]
        },
        Scenario(
            "scnp-deny", "pods of one namespace may not come to pods of another, everybody else may",
            needs: [.skeinKinds],
            [
                can(.client, .otherClient, reach: .nearHTTP, .farHTTP),
                cannot(.stranger, reach: .nearHTTP, .farHTTP),
            ]
        ) { topology in
            [
                scnp(
                    topology, of: namespace(topology.namespace),
                    [
                        "ingress": [["fromEntities": ["all"]]],
                        "ingressDeny": [["fromEndpoints": [namespace(topology.otherNamespace)]]],
                    ])
            ]
        },
    ]

    private static func namespace(_ name: String) -> JSON {
        ["matchLabels": .labels("k8s:io.kubernetes.pod.namespace", name)]
    }

    private static func scnp(_ topology: Topology, of selector: JSON, _ rules: JSON) -> Object {
        var spec = rules
        spec["endpointSelector"] = selector
        return Object(
            kind: Kinds.skeinClusterNetworkPolicies,
            document: KubeDocument(
                metadata: ObjectMeta(name: topology.namespace, labels: TestObjects.labels(topology)),
                json: ["spec": spec]))
    }
}

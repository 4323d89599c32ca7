// SPDX-License-Identifier: Apache-2.0
import KubeClient

// Policies as teams write them: each namespace has the ten kinds in turn.
extension World {
    func policy(_ number: Int) -> (resource: Resource<Document>, object: Document) {
        let namespace = number % namespaces, kind = number / namespaces
        let isSkein = kind % 10 >= 5
        let spec = kind % 10 < 5 ? networkPolicy(kind % 10, namespace) : skeinPolicy(kind % 10, kind / 10, namespace)
        return (
            isSkein ? Document.skeinPolicies : Document.networkPolicies,
            Document(
                metadata: ObjectMeta(name: "policy-\(kind)", namespace: Self.namespace(namespace)), spec: spec)
        )
    }

    private func tier(_ name: String) -> JSON { ["matchLabels": ["tier": .text(name)]] }

    private func networkPolicy(_ kind: Int, _ namespace: Int) -> JSON {
        switch kind {
        // Whoever is of the namespace.
        case 0: ["podSelector": [:], "policyTypes": ["Ingress"], "ingress": [["from": [["podSelector": [:]]]]]]
        case 1:
            [
                "podSelector": tier("frontend"),
                "ingress": [
                    [
                        "from": [["namespaceSelector": ["matchLabels": ["env": "prod"]]]],
                        "ports": [["port": "http", "protocol": "TCP"]],
                    ]
                ],
            ]
        case 2:
            [
                "podSelector": tier("backend"),
                "ingress": [
                    [
                        "from": [["podSelector": tier("frontend")]],
                        "ports": [["port": 8_080, "protocol": "TCP"], ["port": 8_443, "protocol": "TCP"]],
                    ]
                ],
            ]
        case 3:
            [
                "podSelector": tier("data"),
                "ingress": [
                    [
                        "from": [
                            [
                                "namespaceSelector": [
                                    "matchExpressions": [
                                        [
                                            "key": "tenant", "operator": "In",
                                            "values": JSON((0..<3).map { "tenant-\((namespace + $0) % 20)" }),
                                        ]
                                    ]
                                ], "podSelector": tier("backend"),
                            ]
                        ], "ports": [["port": 5_432, "protocol": "TCP"]],
                    ]
                ],
            ]
        default:
            [
                "podSelector": tier("frontend"), "policyTypes": ["Egress"],
                "egress": [
                    ["to": [["podSelector": tier("backend")]], "ports": [["port": 8_080, "protocol": "TCP"]]],
                    ["ports": [["port": 53, "protocol": "UDP"], ["port": 53, "protocol": "TCP"]]],
                    ["to": [["ipBlock": ["cidr": "198.51.100.0/24", "except": ["198.51.100.128/25"]]]]],
                ],
            ]
        }
    }

    private func skeinPolicy(_ kind: Int, _ round: Int, _ namespace: Int) -> JSON {
        let next = Self.namespace((namespace + 1) % namespaces)
        switch kind {
        case 5:
            return [
                "endpointSelector": ["matchLabels": ["app.kubernetes.io/name": .text("app-\(round)")]],
                "ingress": [
                    [
                        "fromEndpoints": [
                            [
                                "matchLabels": ["io.kubernetes.pod.namespace": .text(next)],
                                "matchExpressions": [
                                    [
                                        "key": "app.kubernetes.io/name", "operator": "In",
                                        "values": JSON((0..<10).map { "app-\($0)" }),
                                    ]
                                ],
                            ]
                        ], "toPorts": [["ports": [["port": "8000", "endPort": 8_099, "protocol": "TCP"]]]],
                    ]
                ],
            ]
        case 6:
            return [
                "endpointSelector": [:],
                "ingress": [
                    ["fromEntities": ["cluster"], "toPorts": [["ports": [["port": "9090", "protocol": "TCP"]]]]]
                ],
            ]
        case 7:
            return [
                "endpointSelector": tier("backend"),
                "egress": [
                    [
                        "toCIDRSet": [["cidr": "0.0.0.0/0", "except": ["10.0.0.0/8", "172.16.0.0/12"]]],
                        "toPorts": [["ports": [["port": "443", "protocol": "TCP"]]]],
                    ],
                    ["toEndpoints": [tier("data")]],
                ],
            ]
        case 8:
            return [
                "endpointSelector": tier("data"),
                "ingressDeny": [["fromEndpoints": [["matchLabels": ["version": "v6", "tier": "frontend"]]]]],
                "ingress": [["fromEndpoints": [tier("data")]]],
            ]
        default:
            return [
                "endpointSelector": tier("data"),
                "egress": [["toEntities": ["kube-apiserver", "host"]], ["toEndpoints": [tier("data")]]],
            ]
        }
    }
}

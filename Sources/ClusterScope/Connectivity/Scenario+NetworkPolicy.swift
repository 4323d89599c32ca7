// SPDX-License-Identifier: Apache-2.0
import KubeClient
import NetTypes

extension Scenario {
    /// networking.k8s.io/v1.
    static let networkPolicies: [Scenario] = [
        Scenario(
            "np-allow-all", "rules without peers allow everybody, in and out",
            [
                can(.client, .otherClient, .stranger, reach: .nearHTTP, .farHTTP, .nearUDP, .farUDP),
                cannot(.client, reach: .nearClosed),
            ]
        ) { [np($0, everyPod, types: ["Ingress", "Egress"], ["ingress": [[:]], "egress": [[:]]])] },
        Scenario(
            "np-all-ingress-deny", "nobody but its node comes to a pod that no rule lets anybody in to",
            [
                cannot(.client, .otherClient, .stranger, reach: .nearHTTP, .nearUDP, .nearPing),
                can(.client, .otherClient, .stranger, reach: .farHTTP),
            ]
        ) { [np($0, pods("name", "echo-near"), types: ["Ingress"])] },
        Scenario(
            "np-all-egress-deny", "a pod that no rule lets out begins nothing",
            [
                cannot(.client, reach: .nearHTTP, .farHTTP, .farUDP, .farPing, .service),
                can(.otherClient, reach: .nearHTTP, .farHTTP),
            ]
        ) { [np($0, pods("name", "client"), types: ["Egress"])] },
        Scenario(
            "np-client-ingress", "from one pod only, on every node",
            [
                can(.client, reach: .nearHTTP, .farHTTP, .nearUDP),
                cannot(.otherClient, .stranger, reach: .nearHTTP, .farHTTP),
            ]
        ) { [np($0, echoPods, types: ["Ingress"], ["ingress": [["from": [pod("name", "client")]]]])] },
        Scenario(
            "np-ingress-port", "to one port only, of one protocol",
            [
                can(.client, .otherClient, reach: .nearHTTP, .farHTTP),
                cannot(.client, .otherClient, reach: .nearOther, .farOther, .farUDP, .farPing),
            ]
        ) { [np($0, echoPods, types: ["Ingress"], ["ingress": [["ports": [["port": 8_080, "protocol": "TCP"]]]]])] },
        Scenario(
            "np-named-port", "to a port by its name",
            [
                can(.client, .otherClient, reach: .nearHTTP, .farHTTP),
                cannot(.client, .otherClient, reach: .nearOther, .farOther),
            ]
        ) { [np($0, echoPods, types: ["Ingress"], ["ingress": [["ports": [["port": "http"]]]]])] },
        Scenario(
            "np-namespace", "from another namespace only",
            [
                can(.stranger, reach: .nearHTTP, .farHTTP),
                cannot(.client, .otherClient, reach: .nearHTTP, .farHTTP),
            ]
        ) {
            [
                np(
                    $0, echoPods, types: ["Ingress"],
                    [
                        "ingress": [
                            ["from": [["namespaceSelector": ["matchLabels": .labels(TestObjects.roleLabel, "other")]]]]
                        ]
                    ])
            ]
        },
        Scenario(
            "np-client-egress", "to one kind of pod and one port",
            [
                can(.client, reach: .nearHTTP, .farHTTP),
                cannot(.client, reach: .nearOther, .farOther, .farUDP),
                can(.otherClient, reach: .farOther),
            ]
        ) {
            [
                np(
                    $0, pods("name", "client"), types: ["Egress"],
                    ["egress": [["to": [pod("kind", "echo")], "ports": [["port": 8_080]]]]])
            ]
        },
        Scenario(
            "np-client-egress-service", "policy is asked about the pod and the port behind a service",
            [
                can(.client, reach: .service),
                cannot(.client, reach: .nearOther, .farOther),
                cannot(.otherClient, reach: .service),
            ]
        ) {
            [
                np(
                    $0, pods("name", "client"), types: ["Egress"],
                    ["egress": [["to": [pod("kind", "echo")], "ports": [["port": 8_080]]]]]),
                np($0, pods("name", "other-client"), types: ["Egress"], name: "none"),
            ]
        },
        Scenario(
            "np-client-egress-expression", "the same by an expression",
            [
                can(.client, reach: .nearHTTP, .farHTTP),
                cannot(.otherClient, reach: .nearHTTP, .farHTTP),
            ]
        ) {
            [
                np(
                    $0,
                    ["matchExpressions": [["key": "name", "operator": "In", "values": ["client", "other-client"]]]],
                    types: ["Egress"], ["egress": [["to": [pod("kind", "nobody")]]]]),
                np(
                    $0,
                    [
                        "matchExpressions": [
                            ["key": "kind", "operator": "In", "values": ["client"]],
                            ["key": "other", "operator": "DoesNotExist"],
                        ]
                    ], types: ["Egress"], name: "client", ["egress": [["to": [pod("kind", "echo")]]]]),
            ]
        },
        Scenario(
            "np-to-cidr-pod", "a block of one pod's addresses",
            [
                can(.client, reach: .nearHTTP),
                cannot(.client, reach: .farHTTP),
            ]
        ) { topology in
            let peers = (topology.echoes[.near] ?? []).map { JSON.object(["ipBlock": ["cidr": .string(single($0))]]) }
            return [
                np(topology, pods("name", "client"), types: ["Egress"], ["egress": [["to": .array(peers)]]])
            ]
        },
        Scenario(
            "np-to-cidr-world", "a block outside of the cluster", needs: [.world],
            [
                can(.client, reach: .world),
                cannot(.client, reach: .nearHTTP, .farHTTP),
            ]
        ) { topology in
            let peers = topology.world.map { JSON.object(["ipBlock": ["cidr": .string(single($0.address))]]) }
            return [
                np(topology, pods("name", "client"), types: ["Egress"], ["egress": [["to": .array(peers)]]])
            ]
        },
    ]

    /// A selector of pods of the namespace.
    static func pods(_ key: String, _ value: String) -> JSON { ["matchLabels": .labels(key, value)] }
    static let everyPod: JSON = [:]
    static let echoPods = pods("kind", "echo")

    /// A prefix that is this address and no other.
    static func single(_ address: IPAddress) -> String { "\(address)/\(address.bitWidth)" }

    private static func pod(_ key: String, _ value: String) -> JSON { ["podSelector": pods(key, value)] }

    static func np(
        _ topology: Topology, _ selector: JSON, types: [String], name: String = "scenario", _ rules: JSON = [:]
    ) -> Object {
        var spec = rules
        spec["podSelector"] = selector
        spec["policyTypes"] = .array(types.map { .string($0) })
        return Object(
            kind: Kinds.networkPolicies,
            document: KubeDocument(
                metadata: ObjectMeta(name: name, namespace: topology.namespace, labels: TestObjects.labels(topology)),
                json: ["spec": spec]))
    }
}

extension JSON {
    static func labels(_ key: String, _ value: String) -> JSON { .object([key: .string(value)]) }
}

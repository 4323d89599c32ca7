// SPDX-License-Identifier: Apache-2.0

extension Scenario {
    /// In the order in which they are run.
    package static let all: [Scenario] =
        withoutPolicies + networkPolicies + skeinPolicies + skeinDenials + clusterPolicies + [
            Scenario(
                "no-policies-again", "when all policies are gone, all is as before",
                [can(.client, .otherClient, .stranger, reach: .nearHTTP, .farHTTP, .nearUDP, .farUDP)])
        ]

    private static let withoutPolicies: [Scenario] = [
        Scenario(
            "pod-to-pod-same-node", "TCP, UDP and pings between pods of a node; a closed port is seen as closed",
            [
                can(.client, reach: .nearHTTP, .nearOther, .nearUDP, .nearPing),
                cannot(.client, reach: .nearClosed),
            ]),
        Scenario(
            "pod-to-pod-other-node", "the same between pods of two nodes", needs: [.twoNodes],
            [
                can(.client, reach: .farHTTP, .farOther, .farUDP, .farPing),
                cannot(.client, reach: .farClosed),
                can(.otherClient, .stranger, reach: .nearHTTP, .nearUDP, .nearPing),
                cannot(.otherClient, reach: .nearClosed),
            ]),
        Scenario(
            "pod-to-service", "a service's own address, from both nodes",
            [can(.client, .otherClient, reach: .service), cannot(.client, reach: .nearClosed)]),
        Scenario(
            "pod-to-host", "a port of the pod's own node",
            [can(.client, reach: .clientNode), cannot(.client, reach: .nearClosed)]),
        Scenario(
            "pod-to-other-host", "a port of another node", needs: [.twoNodes],
            [can(.client, reach: .otherNode), cannot(.client, reach: .nearClosed)]),
        Scenario(
            "host-to-pod", "from a node's own network to pods of both nodes",
            [can(.host, reach: .nearHTTP, .farHTTP), cannot(.host, reach: .nearClosed, .farClosed)]),
        Scenario(
            "pod-to-api-server", "the service kubernetes, and the address behind it", needs: [.apiServer],
            [can(.client, reach: .apiService, .apiServer), cannot(.client, reach: .nearClosed)]),
        Scenario(
            "pod-to-world", "an address outside of the cluster", needs: [.world],
            [can(.client, .otherClient, reach: .world), cannot(.client, reach: .nearClosed)]),
        Scenario(
            "no-policies", "without policies, everybody reaches everybody, from both namespaces",
            [
                can(.client, .otherClient, .stranger, reach: .nearHTTP, .farHTTP, .nearOther, .farOther),
                cannot(.client, reach: .nearClosed, .farClosed),
            ]),
    ]
}

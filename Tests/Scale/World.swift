// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import KubeClient
import Model
import NetTypes

/// How large the cluster is.
struct Sizes: ParsableArguments {
    @Option(help: "Nodes, beside the one that the agent is on.") var nodes = 5_000
    @Option(help: "Pods on those nodes.") var endpoints = 50_000
    @Option(help: "Identities; pods have them in turn.") var identities = 5_000
    @Option(help: "Policies, half of them NetworkPolicies and half SkeinNetworkPolicies.") var policies = 2_000
    @Option(help: "Namespaces.") var namespaces = 200
    @Option(help: "Pods on the agent's node, each in another namespace.") var localPods = 10

    func validate() throws {
        guard (1...20_000).contains(nodes), (1...200).contains(localPods), namespaces >= localPods,
            identities >= namespaces, endpoints >= nodes, endpoints <= nodes * SkeinEndpointSlice.maximumEndpoints
        else { throw ValidationError("there is no such cluster: see the limits of --nodes, --endpoints, --namespaces") }
    }
}

/// The objects of a large cluster, by number: the same ones whenever they are asked for.
struct World: Sendable {
    let nodes: Int
    let endpoints: Int
    let identities: Int
    let policies: Int
    let namespaces: Int
    let localPods: Int
    /// The agent's.
    static let ownNode = "node1"
    static let firstIdentity: UInt32 = 1_000
    private static let tiers = ["frontend", "backend", "data"]

    init(_ sizes: Sizes) {
        nodes = sizes.nodes
        endpoints = sizes.endpoints
        identities = sizes.identities
        policies = sizes.policies
        namespaces = sizes.namespaces
        localPods = sizes.localPods
    }

    static func node(_ number: Int) -> String { "far-\(number)" }
    static func namespace(_ number: Int) -> String { "team-\(number)" }

    static func namespaceLabels(_ number: Int) -> [String: String] {
        ["team": "team-\(number)", "env": number % 4 == 0 ? "test" : "prod", "tenant": "tenant-\(number % 20)"]
    }

    /// 10.128.0.0/9 and fd5c:e2e:1::/48 have room for 32,768 nodes.
    static func podRanges(_ node: Int) -> [Prefix] {
        [
            Prefix(IPAddress(v4: 0x0a80_0000 + UInt32(node) << 8), length: 24),
            Prefix(IPAddress(high: 0xfd5c_0e2e_0001_0000 + UInt64(node), low: 0), length: 64),
        ].compactMap(\.self)
    }

    static func nodeAddresses(_ node: Int) -> [IPAddress] {
        [IPAddress(v4: 0x6440_0001 + UInt32(node)), IPAddress(high: 0xfd5c_0e2e_0002_0000, low: UInt64(node) + 1)]
    }

    /// - Parameter place: 1 to 254.
    static func podAddresses(_ node: Int, place: Int) -> [IPAddress] {
        podRanges(node).compactMap { $0.address.advanced(by: UInt64(place)) }
    }

    /// Of one of those nodes.
    static func isPodAddress(_ address: IPAddress) -> Bool {
        address.v4.map { $0 >> 23 == 0x0a80_0000 >> 23 } ?? (address.high >> 16 == 0xfd5c_0e2e_0001)
    }

    /// How many pods a node has at first.
    func podCount(_ node: Int) -> Int { endpoints / nodes + (node < endpoints % nodes ? 1 : 0) }

    func pods(of node: Int) -> [SkeinEndpointSlice.Endpoint] {
        let first = node * (endpoints / nodes) + min(node, endpoints % nodes)
        return (0..<podCount(node)).map { pod in
            endpoint(on: node, place: pod + 1, identity: (first + pod) % identities)
        }
    }

    /// - Parameter identity: from 0 on; those after the last one are new.
    func endpoint(on node: Int, place: Int, identity: Int) -> SkeinEndpointSlice.Endpoint {
        SkeinEndpointSlice.Endpoint(
            addresses: Self.podAddresses(node, place: place), identity: Self.firstIdentity + UInt32(identity),
            namedPorts: [.init(name: "http", protocol: "TCP", port: 8_080)],
            namespace: Self.namespace(identity % namespaces), podName: "app-\(identity)-6d4cf56db6-\(node)-\(place)")
    }

    static func podLabels(_ app: Int) -> [String: String] {
        [
            "app.kubernetes.io/name": "app-\(app)", "app.kubernetes.io/instance": "app-\(app)-main",
            "app.kubernetes.io/part-of": "shop", "tier": tiers[app % tiers.count], "version": "v\(app % 7)",
        ]
    }

    /// Of a namespace's pods each app is an identity.
    func labels(ofIdentity number: Int) -> SecurityLabels {
        let namespace = number % namespaces
        func labels(_ labels: [String: String]) -> Labels { Labels(labels.lazy.map { (key: $0.key, value: $0.value) }) }
        return SecurityLabels(
            namespace: Self.namespace(namespace),
            Namespace(name: Self.namespace(namespace), labels: labels(Self.namespaceLabels(namespace))),
            podLabels: labels(Self.podLabels(number / namespaces)))
    }

    func identity(_ number: Int) -> SkeinIdentity {
        SkeinIdentity(number: Self.firstIdentity + UInt32(number), labels: labels(ofIdentity: number).flat)
    }

    func slice(of node: Int, _ endpoints: [SkeinEndpointSlice.Endpoint]? = nil) -> SkeinEndpointSlice {
        SkeinEndpointSlice(
            metadata: ObjectMeta(name: "\(Self.node(node))-0"), nodeName: Self.node(node),
            endpoints: endpoints ?? pods(of: node))
    }

    func skeinNode(_ number: Int) -> SkeinNode {
        SkeinNode(
            metadata: ObjectMeta(name: Self.node(number)),
            spec: .init(addresses: Self.nodeAddresses(number), podCIDRs: Self.podRanges(number)))
    }
}

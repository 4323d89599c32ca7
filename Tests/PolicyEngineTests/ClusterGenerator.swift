// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes

/// Makes random clusters in which things meet often: few labels, few ports, ranges that overlap the pods'.
struct ClusterGenerator {
    var random: SplitMix64
    var made = 0

    init(seed: UInt64) {
        random = SplitMix64(seed: seed)
    }

    static let namespaceNames = ["alpha", "beta", "gamma"]
    static let ranges = [
        "10.0.0.0/8", "10.0.0.0/24", "10.0.0.0/28", "10.0.0.4/30", "10.0.0.8/29", "10.0.1.0/24", "10.0.0.5/32",
        "0.0.0.0/0", "192.0.2.0/24", "192.0.2.128/25", "203.0.113.7/32", "172.16.0.0/12",
        "::/0", "::/1", "fd00::/16", "fd00::/64", "fd00::/125", "fd00::8/125", "fd00:0:0:1::/64", "fd00::5/128",
        "2001:db8::/32", "2001:db8:8000::/33",
    ]

    mutating func cluster(pods: Int, policies: Int) -> Cluster {
        var cluster = Cluster()
        for name in Self.namespaceNames where random.chance(85) { cluster.namespaces[name] = namespace(name) }
        cluster.hosts = ["172.16.0.1", "fd00:0:0:1::1"].compactMap { IPAddress($0) }
        cluster.nodes = ["172.16.0.2", "fd00:0:0:1::2"].compactMap { IPAddress($0) }
        cluster.strangers = [
            "192.0.2.1", "192.0.2.200", "203.0.113.7", "8.8.8.8", "10.0.0.250", "10.0.1.77", "10.0.0.6",
            "2001:db8::1", "2001:db8:8000::1", "fd00::77", "9000::1",
        ].compactMap { IPAddress($0) }
        for _ in 0..<pods { addPod(to: &cluster) }
        for _ in 0..<policies { addPolicy(to: &cluster) }
        return cluster
    }

    mutating func namespace(_ name: String) -> Namespace {
        Namespace(name: name, labels: labels(["team": ["red", "blue"], "env": ["test", "live"]], percent: 60))
    }

    mutating func labels(_ choices: KeyValuePairs<String, [String]>, percent: Int) -> Labels {
        var labels: Labels = [:]
        for (key, values) in choices where random.chance(percent) { labels[key] = random.pick(values) }
        return labels
    }

    mutating func podLabels() -> Labels {
        labels(["app": ["web", "db", "api"], "tier": ["front", "back"], "debug": ["yes"]], percent: 55)
    }

    @discardableResult
    mutating func addPod(to cluster: inout Cluster) -> String {
        made += 1
        let name = "pod\(made)"
        // Numbers come back, as pods' addresses and endpoint numbers do.
        let used = Set(cluster.pods.values.flatMap(\.pod.addresses))
        let free = (UInt32(2)...60).filter {
            !used.contains(ipv4($0)) && !used.contains(ipv6($0))
        }
        let number = random.pick(Array(free.prefix(12)))
        var addresses = [ipv4(number), ipv6(number)]
        if random.chance(30) { addresses.remove(at: random.pick([0, 1])) }
        let numbers = Set(cluster.pods.values.map(\.endpoint))
        let endpoint = (UInt16(1)...100).first { !numbers.contains($0) } ?? 0
        let pod = Pod(
            namespace: random.pick(Self.namespaceNames), name: name, labels: podLabels(), namedPorts: namedPorts(),
            addresses: addresses)
        cluster.pods[name] = Cluster.Inhabitant(pod: pod, endpoint: random.chance(60) ? endpoint : 0)
        return name
    }

    private func ipv4(_ number: UInt32) -> IPAddress { IPAddress(v4: 0x0a00_0000 + number) }

    private func ipv6(_ number: UInt32) -> IPAddress {
        IPAddress(high: 0xfd00_0000_0000_0000, low: UInt64(number))
    }

    mutating func namedPorts() -> [NamedPort] {
        var ports: [NamedPort] = []
        if random.chance(60) { ports.append(NamedPort(name: "http", protocol: .tcp, port: random.pick([80, 8080]))) }
        // Two containers may use one name.
        if random.chance(10) { ports.append(NamedPort(name: "http", protocol: .tcp, port: 443)) }
        if random.chance(40) { ports.append(NamedPort(name: "dns", protocol: .udp, port: 53)) }
        if random.chance(30) { ports.append(NamedPort(name: "dns", protocol: .tcp, port: random.pick([53, 80]))) }
        return ports
    }

    @discardableResult
    mutating func addPolicy(to cluster: inout Cluster) -> ObjectReference {
        made += 1
        let policy = policy(named: "policy\(made)", in: random.pick(Self.namespaceNames))
        cluster.policies[policy.reference] = policy
        return policy.reference
    }

    mutating func policy(named name: String, in namespace: String) -> NetworkPolicy {
        var policy = NetworkPolicy(namespace: namespace, name: name, podSelector: selector(emptyPercent: 40))
        policy.policyTypes = random.pick([
            nil, nil, [], [.ingress], [.egress], [.ingress, .egress], [.egress, .ingress],
        ])
        if random.chance(75) {
            policy.ingress = (0..<random.pick([0, 1, 1, 2, 3])).map { _ in
                NetworkPolicy.IngressRule(from: peers(), ports: ports())
            }
        }
        if random.chance(60) {
            policy.egress = (0..<random.pick([0, 1, 1, 2, 3])).map { _ in
                NetworkPolicy.EgressRule(to: peers(), ports: ports())
            }
        }
        return policy
    }

    private mutating func peers() -> [NetworkPolicy.Peer]? {
        if random.chance(15) { return nil }
        return (0..<random.pick([0, 1, 1, 1, 2, 3])).map { _ in peer() }
    }

    private mutating func peer() -> NetworkPolicy.Peer {
        switch random.pick([0, 1, 2, 3, 3]) {
        case 0: return NetworkPolicy.Peer(podSelector: selector(emptyPercent: 20))
        case 1: return NetworkPolicy.Peer(namespaceSelector: namespaceSelector())
        case 2:
            return NetworkPolicy.Peer(podSelector: selector(emptyPercent: 20), namespaceSelector: namespaceSelector())
        default:
            let cidr = random.pick(Self.ranges)
            let inside = Self.ranges.filter { text in
                guard let outer = Prefix(cidr), let inner = Prefix(text) else { return false }
                return outer != inner && outer.contains(inner)
            }
            return NetworkPolicy.Peer(
                ipBlock: NetworkPolicy.IPBlock(cidr: cidr, except: random.subset(inside, percent: 25)))
        }
    }

    mutating func selector(emptyPercent: Int) -> LabelSelector {
        if random.chance(emptyPercent) { return LabelSelector() }
        var selector = LabelSelector()
        if random.chance(50) { selector.matchLabels = labels(["app": ["web", "db", "api"]], percent: 80) }
        if random.chance(50) {
            selector.matchExpressions.append(requirement(["app": ["web", "db", "api", "none"], "debug": ["yes"]]))
        }
        if random.chance(25) { selector.matchExpressions.append(requirement(["tier": ["front", "back"]])) }
        return selector
    }

    mutating func namespaceSelector() -> LabelSelector {
        if random.chance(20) { return LabelSelector() }
        if random.chance(25) {
            return LabelSelector(matchLabels: [Namespace.nameLabel: random.pick(Self.namespaceNames)])
        }
        return LabelSelector(
            matchLabels: labels(["team": ["red", "blue"]], percent: 50),
            matchExpressions: random.chance(40) ? [requirement(["env": ["test", "live"]])] : [])
    }

    mutating func requirement(_ choices: [String: [String]]) -> LabelSelector.Requirement {
        let key = random.pick(choices.keys.sorted())
        let values = choices[key] ?? []
        switch random.pick([0, 1, 2, 3]) {
        case 0: return .init(key: key, operator: .in, values: random.subset(values, percent: 60) + [values[0]])
        case 1: return .init(key: key, operator: .notIn, values: random.subset(values, percent: 40) + [values[0]])
        case 2: return .init(key: key, operator: .exists)
        default: return .init(key: key, operator: .doesNotExist)
        }
    }

    private mutating func ports() -> [NetworkPolicy.Port]? {
        if random.chance(35) { return nil }
        return (0..<random.pick([0, 1, 1, 2, 4])).map { _ in
            let name = random.pick([nil, "TCP", "UDP", "SCTP"])
            switch random.pick([0, 1, 2, 3]) {
            case 0: return NetworkPolicy.Port(protocolName: name)
            case 1: return NetworkPolicy.Port(protocolName: name, port: .name(random.pick(["http", "dns"])))
            case 2: return NetworkPolicy.Port(protocolName: name, port: .number(random.pick([53, 80, 443, 8080])))
            default:
                let first = random.pick([1, 50, 80, 1000])
                return NetworkPolicy.Port(
                    protocolName: name, port: .number(first), endPort: random.pick([first, first + 30, 65535]))
            }
        }
    }

    mutating func queries(_ cluster: Cluster, count: Int) -> [Query] {
        let addresses = cluster.allAddresses
        let residents = cluster.pods.keys.sorted().flatMap { cluster.pods[$0]?.pod.addresses ?? [] }
        var queries: [Query] = []
        while queries.count < count, !residents.isEmpty {
            var ends = [random.pick(residents), random.pick(addresses)]
            guard ends[0].isIPv4 == ends[1].isIPv4, ends[0] != ends[1] else { continue }
            if random.chance(50) { ends.swapAt(0, 1) }
            let ipProtocol = random.pick([.tcp, .tcp, .tcp, .udp, .sctp, .icmp, .icmpv6, IPProtocol(rawValue: 47)])
            let port: UInt16 = random.pick([53, 80, 80, 443, 8080, 1, 49, 50, 79, 81, 110, 111, 999, 1030, 65535])
            queries.append(
                Query(
                    source: ends[0], destination: ends[1], protocol: ipProtocol,
                    port: ipProtocol.hasPorts ? port : ipProtocol == .icmp ? 8 : ipProtocol == .icmpv6 ? 128 : 0))
        }
        return queries
    }
}

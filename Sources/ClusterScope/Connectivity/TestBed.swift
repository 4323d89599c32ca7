// SPDX-License-Identifier: Apache-2.0
import KubeClient
import NetTypes

/// What a test makes in the cluster, and how it goes again.
struct TestBed: Sendable {
    let client: APIClient
    let settings: ConnectivitySettings

    private static let namespaces = Resource<KubeDocument>(Kinds.namespaces)
    private static let pods = Resource<KubeDocument>(Kinds.pods)

    // MARK: Up

    /// The nodes, and what is there anyhow. Nothing is made.
    func survey() async throws -> Topology {
        let nodes = Self.choose(try await client.all(ObservedNode.resource))
        guard !nodes.isEmpty else { throw ConnectivityProblem("no Linux node is ready") }
        var topology = Topology(
            namespace: settings.namespace,
            nodes: nodes.map { Topology.Node(name: $0.name, addresses: $0.node.internalIPs) })
        topology.nodePort = settings.nodePort
        topology.world = settings.world
        topology.hasSkeinKinds = try await client.isServed(Kinds.skeinNetworkPolicies)
        return topology
    }

    /// Two at most: those first that take pods.
    static func choose(_ nodes: [ObservedNode]) -> [ObservedNode] {
        let usable = nodes.filter { $0.isReady && $0.isLinux }.sorted { $0.name < $1.name }
        return Array((usable.filter { !$0.isAvoided } + usable.filter(\.isAvoided)).prefix(2))
    }

    /// Namespaces, the pods that answer, and their service. When it returns, `topology` has their addresses.
    func start(_ topology: inout Topology) async throws {
        for namespace in TestObjects.namespaces(topology) { try await make(namespace, Self.namespaces) }
        for echo in Echo.allCases {
            try await make(TestObjects.pod(echo, topology, image: settings.image), Self.pods)
        }
        let service = try await make(TestObjects.service(topology), Resource<KubeDocument>(Kinds.services))
        topology.service = Self.addresses(ofService: service)
        try await readAPIServer(&topology)
        let pods = try await ready(Echo.allCases.map { ObjectKey(namespace: topology.namespace, name: $0.rawValue) })
        for echo in Echo.allCases {
            topology.echoes[echo] = pods.first { $0.metadata.name == echo.rawValue }?.addresses ?? []
        }
    }

    /// The pods that ask.
    func start(_ questions: [Prober: [Question]], _ topology: Topology) async throws {
        let probers = Prober.allCases.filter { questions[$0] != nil }
        for prober in probers {
            let pod = TestObjects.pod(prober, topology, image: settings.image, questions: questions[prober] ?? [])
            try await make(pod, Self.pods)
        }
        _ = try await ready(
            probers.map { ObjectKey(namespace: $0.namespace(topology), name: $0.rawValue) })
    }

    /// Tries again while the namespace has no account for pods yet, which comes a moment after it.
    @discardableResult
    private func make(_ document: KubeDocument, _ resource: Resource<KubeDocument>) async throws -> KubeDocument {
        let deadline = ContinuousClock.now + settings.podTimeout
        while true {
            do {
                return try await client.create(resource, document, namespace: document.metadata.namespace)
            } catch let error as KubeError {
                let isEarly = error.isForbidden && error.status?.message.contains("serviceaccount") ?? false
                guard isEarly, .now < deadline else { throw error }
            }
            try await Task.sleep(for: settings.pause)
        }
    }

    private func ready(_ keys: [ObjectKey]) async throws -> [ObservedPod] {
        let deadline = ContinuousClock.now + settings.podTimeout
        while true {
            var pods: [ObservedPod] = []
            for key in keys {
                if let pod = try await client.find(ObservedPod.resource, key.name, namespace: key.namespace) {
                    pods.append(pod)
                }
            }
            let waiting = pods.filter { !$0.isReady || $0.addresses.isEmpty }
            if waiting.isEmpty, pods.count == keys.count { return pods }
            guard .now < deadline else {
                let reasons = waiting.map { "\($0.metadata.key): \($0.problem ?? "it has no address")" }
                throw ConnectivityProblem(
                    "pods are not ready after \(settings.podTimeout): \(reasons.joined(separator: "; "))")
            }
            try await Task.sleep(for: settings.pause)
        }
    }

    // MARK: Addresses

    static func addresses(ofService service: KubeDocument) -> [IPAddress] {
        let spec = service.json["spec"]
        let listed = spec["clusterIPs"].array.compactMap(\.string)
        return (listed.isEmpty ? [spec["clusterIP"].string].compactMap(\.self) : listed).compactMap { IPAddress($0) }
    }

    private func readAPIServer(_ topology: inout Topology) async throws {
        let services = Resource<KubeDocument>(Kinds.services)
        if let service = try await client.find(services, "kubernetes", namespace: "default") {
            topology.apiService = Self.addresses(ofService: service).map { OutsideAddress(address: $0, port: 443) }
        }
        guard let kind = try await client.endpointSlices() else { return }
        let slices = try await client.all(
            Resource<KubeDocument>(kind),
            ObjectSelection(namespace: "default", labelSelector: "kubernetes.io/service-name=kubernetes"))
        topology.apiServers = slices.flatMap { Self.addresses(ofSlice: $0) }
    }

    static func addresses(ofSlice slice: KubeDocument) -> [OutsideAddress] {
        let ports = slice.json["ports"].array.compactMap { port -> UInt16? in
            guard case .integer(let number) = port["port"] else { return nil }
            return UInt16(exactly: number)
        }
        return slice.json["endpoints"].array.flatMap { $0["addresses"].array.compactMap(\.string) }
            .compactMap { IPAddress($0) }
            .flatMap { address in ports.map { OutsideAddress(address: address, port: $0) } }
    }

    // MARK: Down

    /// Deletes what an earlier test has left; throws if somebody else's namespace has the name.
    func clear(_ topology: Topology) async throws {
        for namespace in TestObjects.namespaces(topology) {
            guard let found = try await client.find(Self.namespaces, namespace.metadata.name) else { continue }
            guard found.metadata.labels[TestObjects.ownerLabel] == TestObjects.owner else {
                throw ConnectivityProblem(
                    "the namespace \(namespace.metadata.name) is there and was not made by a test; give another one")
            }
        }
        let left = await remove(topology)
        guard left.isEmpty else {
            throw ConnectivityProblem("an earlier test's \(left.joined(separator: ", ")) can't be deleted")
        }
    }

    /// Deletes all that the test has made and waits until it is gone. What is not, with the reason, is returned.
    func remove(_ topology: Topology) async -> [String] {
        var left: [String] = []
        if topology.hasSkeinKinds {
            // There may be one of an earlier test.
            let resource = Resource<KubeDocument>(Kinds.skeinClusterNetworkPolicies)
            do {
                let selection = ObjectSelection(
                    labelSelector:
                        "\(TestObjects.ownerLabel)=\(TestObjects.owner),\(TestObjects.testLabel)=\(topology.namespace)")
                for policy in try await client.all(resource, selection) {
                    try await client.delete(resource, policy.metadata.name)
                }
            } catch {
                left.append("SkeinClusterNetworkPolicy \(topology.namespace) (\(error))")
            }
        }
        let names = TestObjects.namespaces(topology).map(\.metadata.name)
        var problems: [String: String] = [:]
        for name in names {
            do {
                try await client.delete(Self.namespaces, name, propagation: .background)
            } catch {
                problems[name] = "\(error)"
            }
        }
        let gone = await wait(forEndOf: names)
        left += names.filter { !gone.contains($0) }.map { name in
            "namespace \(name) (\(problems[name] ?? "still there after \(settings.podTimeout)"))"
        }
        return left
    }

    private func wait(forEndOf names: [String]) async -> Set<String> {
        let deadline = ContinuousClock.now + settings.podTimeout
        var gone: Set<String> = []
        while true {
            for name in names where !gone.contains(name) {
                do {
                    if try await client.find(Self.namespaces, name) == nil { gone.insert(name) }
                } catch {
                    // An error says nothing.
                    continue
                }
            }
            guard gone.count < names.count, .now < deadline else { return gone }
            do { try await Task.sleep(for: settings.pause) } catch { return gone }
        }
    }
}

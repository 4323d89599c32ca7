// SPDX-License-Identifier: Apache-2.0
import Kernel
import Model
import NetTypes
import ObjectDecoding

/// The last known state of the cluster on disk: a file for each kind, one line for each object, and one file, written
/// last, that says that the others are there.
///
/// It serves a start without an API server, and says which version of a policy was valid last. A file that is broken is
/// as good as none.
struct ClusterCache: Sendable {
    /// Changes when the format does.
    private static let mark = "skein cluster cache 1"
    /// A kind that needs more is not kept: fifty thousand endpoints take less than ten.
    static let limit = 64 << 20

    let directory: String
    let nodeName: String

    private var mark: String { directory + "/complete" }

    private func path(_ kind: ClusterKind) -> String { "\(directory)/\(kind.rawValue).jsonl" }

    // MARK: Writing

    /// Writes these kinds, each whole or not at all. Those that are too large are removed, and returned.
    func save(_ kinds: Set<ClusterKind>, of state: ClusterState) throws(SystemError) -> [ClusterKind] {
        try Directory.create(directory)
        try AtomicFile.removeTemporaries(in: directory)
        var tooLarge: [ClusterKind] = []
        for kind in kinds.sorted(by: { $0.rawValue < $1.rawValue }) {
            let bytes = Self.text(kind, state)
            if bytes.count <= Self.limit {
                try AtomicFile.write(bytes, to: path(kind))
            } else {
                tooLarge.append(kind)
                try AtomicFile.remove(path(kind))
            }
        }
        let content = Array("\(Self.mark)\n\(nodeName)\n".utf8)
        if try AtomicFile.readIfThere(mark) != content { try AtomicFile.write(content, to: mark) }
        return tooLarge
    }

    private static func text(_ kind: ClusterKind, _ state: ClusterState) -> [UInt8] {
        var text = JSONText()
        switch kind {
        case .namespaces:
            for namespace in state.namespaces.values.values {
                CacheRecords.write(namespace, to: &text)
                text.endLine()
            }
        case .nodes:
            for node in state.nodes.values.values {
                CacheRecords.write(node, to: &text)
                text.endLine()
            }
        case .identities:
            for (number, labels) in state.identities.labels.values {
                CacheRecords.write(number, labels, uid: state.identities.uid(of: number) ?? "", to: &text)
                text.endLine()
            }
        case .apiServers:
            for (name, addresses) in state.apiServers.values {
                CacheRecords.write(name, addresses, to: &text)
                text.endLine()
            }
        case .services:
            for (reference, addresses) in state.services.values {
                CacheRecords.write(reference, addresses, to: &text)
                text.endLine()
            }
        case .endpointSlices:
            for (name, slice) in state.slices.values {
                CacheRecords.write(name, slice, to: &text)
                text.endLine()
            }
        case .pods:
            for pod in state.pods.values.values {
                CacheRecords.write(pod, to: &text)
                text.endLine()
            }
        case .networkPolicies, .skeinPolicies, .skeinClusterPolicies, .clusterPolicies:
            for record in (state.policies[kind]?.records ?? [:]).values {
                guard let generation = record.validGeneration else { continue }
                CacheRecords.write(record, generation: generation, to: &text)
                text.endLine()
            }
        }
        return text.bytes
    }

    // MARK: Reading

    /// True if there is something to start from, of this node.
    var isComplete: Bool {
        guard let bytes = try? AtomicFile.readIfThere(mark) else { return false }
        return bytes == Array("\(Self.mark)\n\(nodeName)\n".utf8)
    }

    /// All but the policies.
    func load() -> CachedObjects {
        CachedObjects(
            namespaces: read(CacheRecords.Namespace.self, .namespaces).map {
                Namespace(name: $0.name, labels: Labels(cached: $0.labels))
            },
            nodes: read(CacheRecords.Node.self, .nodes).map {
                ClusterNode(name: $0.name, addresses: $0.addresses, podRanges: $0.podRanges)
            },
            identities: read(CacheRecords.Identity.self, .identities).compactMap { record in
                SecurityLabels(flat: record.labels).map { (record.number, $0, record.uid) }
            },
            apiServers: read(CacheRecords.APIServers.self, .apiServers).map { ($0.name, $0.addresses) },
            services: read(CacheRecords.Service.self, .services).map { service in
                let kind = ClusterKind.services.name
                return (
                    ObjectReference(kind: kind, namespace: service.namespace, name: service.name), service.addresses
                )
            },
            slices: read(CacheRecords.Slice.self, .endpointSlices).map { ($0.name, EndpointSlice($0)) },
            pods: read(CacheRecords.Pod.self, .pods).map { Pod($0) })
    }

    /// The policies that were valid last, of one kind.
    func policies(_ kind: ClusterKind) -> [PolicyTable.Remembered] {
        guard let known = ObjectDecoder.kinds[kind.name] else { return [] }
        return read(CacheRecords.Policy.self, kind).compactMap { record in
            guard
                let object = try? ObjectDecoder.decode(
                    known, record.object, knowing: SkeinNetworkPolicy.Entity.ofCluster)
            else { return nil }
            return PolicyTable.Remembered(
                object: object, uid: record.uid, generation: record.generation, text: JSONText(record.object).bytes)
        }
    }

    private func read<Record: Decodable>(_ type: Record.Type, _ kind: ClusterKind) -> [Record] {
        guard isComplete, let bytes = try? AtomicFile.readIfThere(path(kind)) else { return [] }
        return CacheRecords.read(type, from: bytes)
    }
}

/// What was in the cache.
struct CachedObjects: Sendable {
    var namespaces: [Namespace] = []
    var nodes: [ClusterNode] = []
    var identities: [(number: IdentityNumber, labels: SecurityLabels, uid: String)] = []
    var apiServers: [(String, Set<IPAddress>)] = []
    var services: [(ObjectReference, Set<IPAddress>)] = []
    var slices: [(String, EndpointSlice)] = []
    var pods: [Pod] = []
}

extension ClusterState {
    /// Fills in what the API server has not told yet: until it does, that is how things are.
    mutating func seed(_ cached: CachedObjects) {
        namespaces.seed(cached.namespaces.lazy.map { ($0.name, $0) })
        nodes.seed(cached.nodes.lazy.map { ($0.name, $0) })
        identities.seed(cached.identities)
        apiServers.seed(cached.apiServers)
        services.seed(cached.services)
        slices.seed(cached.slices)
        pods.seed(cached.pods.lazy.map { ($0.reference, $0) })
        for kind in ClusterKind.policies { policies[kind]?.seedFromRemembered() }
        mayStartFromCache = true
        wake([.batch, .identities])
    }
}

extension EndpointSlice {
    fileprivate init(_ record: CacheRecords.Slice) {
        self.init(
            node: record.node,
            endpoints: record.endpoints.map { endpoint in
                ClusterEndpoint(
                    addresses: endpoint.addresses, identity: endpoint.identity,
                    namedPorts: (endpoint.ports ?? []).map(\.namedPort), namespace: endpoint.namespace,
                    podName: endpoint.pod)
            })
    }
}

extension Pod {
    fileprivate init(_ record: CacheRecords.Pod) {
        self.init(
            namespace: record.namespace, name: record.name, uid: record.uid.flatMap { $0.isEmpty ? nil : $0 },
            labels: Labels(cached: record.labels),
            namedPorts: record.ports.map(\.namedPort), addresses: record.addresses, hostNetwork: record.hostNetwork)
    }
}

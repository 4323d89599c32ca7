// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Model
import NetTypes

/// All that is known of the cluster: what the API server told, or the cache. A value: what it does is seen from outside.
struct ClusterState: Sendable {
    let nodeName: String
    var namespaces = KindTable<String, Namespace>()
    var nodes = KindTable<String, ClusterNode>()
    var identities = IdentityTable()
    var slices = KindTable<String, EndpointSlice>()
    var pods = KindTable<ObjectReference, Pod>()
    var policies: [ClusterKind: PolicyTable] = Dictionary(
        uniqueKeysWithValues: ClusterKind.policies.map { ($0, PolicyTable()) })
    /// By the EndpointSlice that has them.
    var apiServers = KindTable<String, Set<IPAddress>>()
    /// The addresses of each.
    var services = KindTable<ObjectReference, Set<IPAddress>>()

    /// This node's slices, and whatever else has a name that one of them could have.
    var ownSlices: [String: SkeinEndpointSlice] = [:]
    /// This node's; nil: there is none.
    var ownSkeinNode: SkeinNode?
    var ownNode: WatchedNode?

    /// The first batch may come though not all has been told: the rest is from the cache.
    var mayStartFromCache = false
    private var hasStarted = false
    /// Changed since they were last written to the cache.
    var unsaved: Set<ClusterKind> = []
    private var topics: ClusterTopics = []
    private var problems: [ObjectReference: [ClusterObjectError]] = [:]
    private var problemNews: [(error: ClusterObjectError, isNew: Bool)] = []

    init(nodeName: String) {
        self.nodeName = nodeName
    }

    // MARK: What has been told

    func isLive(_ kind: ClusterKind) -> Bool {
        switch kind {
        case .namespaces: namespaces.isLive
        case .nodes: nodes.isLive
        case .identities: identities.labels.isLive
        case .apiServers: apiServers.isLive
        case .services: services.isLive
        case .endpointSlices: slices.isLive
        case .pods: pods.isLive
        case .networkPolicies, .skeinPolicies, .skeinClusterPolicies, .clusterPolicies:
            policies[kind]?.objects.isLive ?? false
        }
    }

    /// What the API server has not told all of.
    var missing: [ClusterKind] { ClusterKind.allCases.filter { !isLive($0) } }

    mutating func becomeLive(_ kind: ClusterKind) {
        switch kind {
        case .namespaces: namespaces.becomeLive()
        case .nodes: nodes.becomeLive()
        case .identities: identities.becomeLive()
        case .apiServers: apiServers.becomeLive()
        case .services: services.becomeLive()
        case .endpointSlices: slices.becomeLive()
        case .pods: pods.becomeLive()
        case .networkPolicies, .skeinPolicies, .skeinClusterPolicies, .clusterPolicies:
            _ = policies[kind]?.becomeLive()
        }
        note(kind)
    }

    /// Something of this kind may have changed.
    mutating func note(_ kind: ClusterKind) {
        unsaved.insert(kind)
        topics.insert(.batch)
        switch kind {
        case .identities: topics.insert(.identities)
        case .networkPolicies, .skeinPolicies, .skeinClusterPolicies, .clusterPolicies: topics.insert(.policies)
        case .endpointSlices: topics.insert(.ownSlices)
        case .nodes: topics.insert([.ownNode, .policies])
        case .namespaces, .apiServers, .services, .pods: break
        }
    }

    /// Who waits for these has to look.
    mutating func wake(_ changed: ClusterTopics) {
        topics.formUnion(changed)
    }

    /// What has changed since the last call.
    mutating func takeTopics() -> ClusterTopics {
        defer { topics = [] }
        return topics
    }

    // MARK: Batches

    /// What the consumer has to be told now; nil: nothing. The first one is all there is, and comes as soon as that is
    /// known.
    mutating func takeBatch() -> [ResourceChange]? {
        let isFirst = !hasStarted
        guard hasStarted || mayStartFromCache || missing.isEmpty else { return nil }
        hasStarted = true
        var batch: [ResourceChange] = []
        // What others refer to comes before them.
        for (name, namespace) in namespaces.takePending() { batch.append(.namespace(name, namespace)) }
        for (name, node) in nodes.takePending() { batch.append(.node(name, node)) }
        for (number, labels) in identities.takePending() { batch.append(.identity(number, labels)) }
        if !apiServers.takePending().isEmpty { batch.append(.apiServers(allAPIServers)) }
        for (reference, addresses) in services.takePending() { batch.append(.service(reference, addresses)) }
        for (name, slice) in slices.takePending() { batch.append(.endpointSlice(name, slice)) }
        for (reference, pod) in pods.takePending() { batch.append(.pod(reference, pod)) }
        for kind in ClusterKind.policies { batch += policies[kind]?.takePending() ?? [] }
        return isFirst || !batch.isEmpty ? batch : nil
    }

    private var allAPIServers: Set<IPAddress> { apiServers.values.values.reduce(into: []) { $0.formUnion($1) } }

    // MARK: What is wrong

    /// In order, the first thousand.
    var errors: [ClusterObjectError] { Array(problems.values.joined().sorted().prefix(1_000)) }

    /// What is wrong with an object now; empty: nothing.
    mutating func setProblems(_ errors: [ClusterObjectError], of object: ObjectReference) {
        let old = problems[object] ?? []
        guard old != errors else { return }
        problems[object] = errors.isEmpty ? nil : errors
        problemNews += errors.filter { !old.contains($0) }.map { ($0, true) }
        problemNews += old.filter { !errors.contains($0) }.map { ($0, false) }
    }

    mutating func takeProblemNews() -> [(error: ClusterObjectError, isNew: Bool)] {
        defer { problemNews = [] }
        return problemNews
    }
}

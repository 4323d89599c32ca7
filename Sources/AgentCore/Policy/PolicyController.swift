// SPDX-License-Identifier: Apache-2.0
package import Model
package import NetTypes
package import PolicyEngine

/// What the source, the endpoints and the node say, and the compiler that makes the kernel's tables of it.
///
/// It keeps all that the compiler was told, so that everything can be compiled from nothing when the kernel could not
/// follow. Changes are staged as they come; `commit()` gives what has to be written since the last one.
package struct PolicyController {
    private(set) var namespaces: [String: Namespace] = [:]
    /// With a folder all that it has, in a cluster those of this node.
    private(set) var pods: [String: Pod] = [:]
    /// Objects may have several parts, for different pods.
    private(set) var policies: [ObjectReference: [PolicyObject]] = [:]
    private(set) var endpoints: [UInt16: EndpointRecord] = [:]
    package private(set) var nodeAddresses: Set<IPAddress> = []
    private var podsByAddress: [IPAddress: Set<String>] = [:]
    private var endpointsByAddress: [IPAddress: UInt16] = [:]
    var compiler = PolicyCompiler()
    private var views: [UInt16: EndpointView] = [:]
    /// What each cookie stood for when it was last seen in a row.
    private var origins: [UInt32: RuleOrigin] = [:]

    /// nil: a folder is the source.
    package let cluster: ClusterMembership?
    /// Empty, with a folder.
    package var peers: ClusterPeers
    let routing: Routing?
    /// Empty, without tunnels.
    package var tunnels: TunnelTable
    /// Nodes have come, gone or changed since the routes to them were made.
    package var nodesChanged = false
    package internal(set) var knownIdentities = KnownIdentities()
    /// Endpoints whose labels may be others, or have another number; see `takeUnsettled()`.
    var unsettled: Set<UInt16> = []
    /// Those of them that wait for a number.
    var waiting: Set<UInt16> = []
    /// What the cluster is told of this node's endpoints may be another thing now.
    package var endpointsChanged = true
    /// Objects that have come, or changed, since the kernel last held all that there was.
    package private(set) var pendingPolicies: Set<ObjectReference> = []

    /// - Parameter cluster: how this node is a member of one; nil: a folder is the source.
    package init(cluster: ClusterMembership? = nil, routing: Routing? = nil, nodes limit: Int = 0) {
        self.cluster = cluster
        self.routing = routing
        tunnels = TunnelTable(limit: limit)
        peers = ClusterPeers(ownName: cluster?.nodeName ?? "")
    }

    package var policyCount: Int { policies.count }

    package var identityCount: Int { compiler.statistics.identities }

    /// What has to be written so that the kernel follows all that was staged.
    ///
    /// - Parameter collecting: also what makes the tables smaller, though nothing needs it.
    package mutating func commit(collecting: Bool = false) -> Changeset {
        for address in peers.takeTouched() { stage(address) }
        let changeset = compiler.commit(collecting: collecting)
        if !changeset.views.isEmpty { endpointsChanged = true }
        for (number, view) in changeset.views where endpoints[number] != nil { views[number] = view }
        return changeset
    }

    /// The cookies of a changeset that stand for another rule than they did before: what was counted for them is not the
    /// new rule's.
    package mutating func takeRenamedCookies(of changeset: Changeset) -> Set<UInt32> {
        var renamed: Set<UInt32> = []
        for (_, row) in changeset.addedRows {
            for cookie in [row.base.cookie] + row.ports.map(\.verdict.cookie) where cookie != 0 {
                guard let origin = compiler.origin(of: cookie), origins[cookie] != origin else { continue }
                origins[cookie] = origin
                renamed.insert(cookie)
            }
        }
        return renamed
    }

    /// Of an endpoint that was staged and committed.
    package func view(of endpoint: UInt16) -> EndpointView? { views[endpoint] }

    /// Whether a commit with `collecting` would make the tables smaller.
    package var hasGarbage: Bool { compiler.hasGarbage }

    /// All that the kernel's tables should hold, as one changeset from nothing.
    package mutating func snapshot() -> Changeset { compiler.snapshot() }

    /// The rule that a cookie of an event stands for; nil for 0, and for one whose rule is gone.
    package func origin(of cookie: UInt32) -> RuleOrigin? { compiler.origin(of: cookie) }

    /// Stages everything to an empty compiler: the next commit is complete, for empty tables.
    package mutating func recompile() {
        compiler = PolicyCompiler()
        views = [:]
        origins = [:]
        for (number, labels) in knownIdentities.all { compiler.stage(identity: number, labels) }
        for (reference, parts) in policies { compiler.stage(parts, of: reference) }
        for record in endpoints.values { stage(record) }
        for address in nodeAddresses.union(podsByAddress.keys).union(peers.addresses) { stage(address) }
    }

    package mutating func apply(_ change: ResourceChange) {
        switch change {
        case .namespace(let name, let namespace): setNamespace(name, namespace)
        case .pod(let reference, let pod): setPod("\(reference.namespace)/\(reference.name)", pod)
        case .networkPolicy(let reference, let policy): setPolicy(reference, policy.map { [PolicyObject($0)] } ?? [])
        case .skeinNetworkPolicy(let reference, let policy):
            setPolicy(reference, policy.map { PolicyObject.objects(of: $0) } ?? [])
        case .clusterNetworkPolicy(let reference, let policy):
            setPolicy(reference, policy.map { [PolicyObject($0)] } ?? [])
        case .node(let name, let node): setNode(name, node)
        case .endpointSlice(let name, let slice): peers.setSlice(name, slice)
        case .apiServers(let addresses): peers.setAPIServers(addresses)
        case .service(let reference, let addresses): peers.setService(reference, addresses)
        case .identity(let number, let labels): setIdentity(number, labels, confirmed: true)
        }
    }

    /// The objects that are told of as in force from now on.
    package mutating func takePendingPolicies() -> Set<ObjectReference> {
        defer { pendingPolicies = [] }
        return pendingPolicies
    }

    /// Adds an endpoint, or takes in what has changed of it.
    package mutating func setEndpoint(_ record: EndpointRecord) {
        endpoints[record.number] = record
        for address in record.addresses { endpointsByAddress[address] = record.number }
        stage(record)
    }

    package mutating func removeEndpoint(_ number: UInt16) {
        guard let record = endpoints.removeValue(forKey: number) else { return }
        compiler.stageRemoval(ofEndpoint: number)
        views[number] = nil
        unsettled.remove(number)
        waiting.remove(number)
        endpointsChanged = true
        for address in record.addresses where endpointsByAddress[address] == number {
            endpointsByAddress[address] = nil
        }
    }

    /// - Returns: whether they were others before.
    @discardableResult
    package mutating func setNodeAddresses(_ addresses: Set<IPAddress>) -> Bool {
        let changed = nodeAddresses.symmetricDifference(addresses)
        nodeAddresses = addresses
        for address in changed { stage(address) }
        return !changed.isEmpty
    }
}

extension PolicyController {
    /// Gives numbers that are free by now to nodes that had none.
    ///
    /// - Returns: whether there were any; the next commit has what is on them.
    package mutating func numberWaitingNodes() -> Bool {
        let nodes = tunnels.numberWaiting()
        for node in nodes { peers.touch(node: node) }
        return !nodes.isEmpty
    }

    private mutating func setNode(_ name: String, _ node: ClusterNode?) {
        guard peers.nodes[name] != node else { return }
        peers.setNode(name, node)
        nodesChanged = true
        guard name != peers.ownName else { return }
        // Whoever is on the node is reached under another number now.
        if tunnels.set(name, node.flatMap { routing?.tunnelAddress(of: $0) }) { peers.touch(node: name) }
    }

    private mutating func setNamespace(_ name: String, _ namespace: Namespace?) {
        guard namespaces[name] != namespace else { return }
        namespaces[name] = namespace
        for record in endpoints.values where record.podNamespace == name { restage(record) }
        for pod in pods.values where pod.namespace == name {
            for address in pod.addresses { stage(address) }
        }
    }

    private mutating func setPod(_ key: String, _ pod: Pod?) {
        let old = pods[key]
        guard old != pod else { return }
        pods[key] = pod
        let oldAddresses = Set(old.map(peerAddresses) ?? [])
        let newAddresses = Set(pod.map(peerAddresses) ?? [])
        for address in oldAddresses.subtracting(newAddresses) {
            podsByAddress[address]?.remove(key)
            if podsByAddress[address]?.isEmpty == true { podsByAddress[address] = nil }
        }
        for address in newAddresses { podsByAddress[address, default: []].insert(key) }
        for address in oldAddresses.union(newAddresses) { stage(address) }
        for record in endpoints.values where record.podKey == key { restage(record) }
    }

    private mutating func setPolicy(_ reference: ObjectReference, _ parts: [PolicyObject]) {
        // Also one whose rules are as they were: its status is another version's.
        if parts.isEmpty { pendingPolicies.remove(reference) } else { pendingPolicies.insert(reference) }
        guard policies[reference] ?? [] != parts else { return }
        policies[reference] = parts.isEmpty ? nil : parts
        compiler.stage(parts, of: reference)
    }

    /// Pods in the node's network have its addresses, which are not theirs alone. A cluster tells of other nodes' pods in
    /// slices; this node's are known by their endpoints.
    private func peerAddresses(_ pod: Pod) -> [IPAddress] {
        pod.hostNetwork || cluster != nil ? [] : pod.addresses
    }
}

extension PolicyController {
    /// The labels that hold for an endpoint's pod: those of the identity that the cluster gave it, else the object's, else
    /// those that the runtime sent, else none.
    package func labels(of record: EndpointRecord) -> Labels {
        if let identity = record.identity { return identity.labels.podLabels }
        if let pod = pod(of: record) { return pod.labels }
        return Labels((record.labels ?? [:]).map { (key: $0.key, value: $0.value) })
    }

    func securityLabels(of record: EndpointRecord) -> SecurityLabels {
        if let identity = record.identity { return identity.labels }
        return filtered(
            SecurityLabels(
                namespace: record.podNamespace, namespaces[record.podNamespace], podLabels: labels(of: record)))
    }

    func securityLabels(of pod: Pod) -> SecurityLabels {
        filtered(SecurityLabels(namespace: pod.namespace, namespaces[pod.namespace], podLabels: pod.labels))
    }

    private func filtered(_ labels: SecurityLabels) -> SecurityLabels {
        cluster?.labelFilter.filtered(labels) ?? labels
    }

    func pod(of record: EndpointRecord) -> Pod? {
        guard !record.podName.isEmpty, let pod = pods[record.podKey], !pod.hostNetwork else { return nil }
        // A cluster's pod may be followed by another one of its name while its sandbox is still there.
        if cluster != nil, let uid = record.podUID, let other = pod.uid, uid != other { return nil }
        return pod
    }

    /// The ports of an endpoint's pod that have names.
    package func namedPorts(of record: EndpointRecord) -> [NamedPort] { pod(of: record)?.namedPorts ?? [] }

    /// The endpoint that has an address, if one of this node does.
    func endpoint(at address: IPAddress) -> EndpointRecord? {
        endpointsByAddress[address].flatMap { endpoints[$0] }
    }

    /// The pod of another node that has an address.
    func remotePod(at address: IPAddress) -> Pod? {
        guard !nodeAddresses.contains(address), endpointsByAddress[address] == nil else { return nil }
        return manifestPod(at: address)
    }

    /// "namespace/name" of a pod of another node, as manifests or slices tell.
    func remotePodName(at address: IPAddress) -> String? {
        if let pod = remotePod(at: address) { return "\(pod.namespace)/\(pod.name)" }
        guard !nodeAddresses.contains(address), endpointsByAddress[address] == nil else { return nil }
        return peers.claim(at: address).map { "\($0.endpoint.namespace)/\($0.endpoint.podName)" }
    }

    /// Its pod or the pod's namespace has changed.
    private mutating func restage(_ record: EndpointRecord) {
        unsettled.insert(record.number)
        stage(record)
    }

    private mutating func stage(_ record: EndpointRecord) {
        endpointsChanged = true
        compiler.stage(
            PolicyEndpoint(
                number: record.number, addresses: record.addresses, labels: securityLabels(of: record),
                namedPorts: namedPorts(of: record)))
    }

    /// Tells the compiler who has an address if no endpoint does. Whoever is nearest has it: the node itself, then another
    /// node or its pod, or a pod of the manifests.
    private mutating func stage(_ address: IPAddress) {
        if nodeAddresses.contains(address) {
            compiler.stage(peers.host(at: address), at: address)
        } else if let peer = peers.peer(at: address) {
            compiler.stage(peer, at: address, node: peers.node(at: address).map { tunnels.number(of: $0) } ?? 0)
        } else if let pod = manifestPod(at: address) {
            compiler.stage(.pod(securityLabels(of: pod), namedPorts: pod.namedPorts), at: address)
        } else {
            compiler.stage(nil, at: address)
        }
    }

    /// Of several that claim an address, the first by name.
    private func manifestPod(at address: IPAddress) -> Pod? {
        podsByAddress[address]?.min().flatMap { pods[$0] }
    }
}

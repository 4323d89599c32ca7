// SPDX-License-Identifier: Apache-2.0
package import Model
package import NetTypes
package import PolicyEngine

/// What the manifests, the endpoints and the node say, and the compiler that makes the kernel's tables of it.
///
/// It keeps all that the compiler was told, so that everything can be compiled from nothing when the kernel could not
/// follow. Changes are staged as they come; `commit()` gives what has to be written since the last one.
package struct PolicyController {
    private(set) var namespaces: [String: Namespace] = [:]
    private(set) var pods: [String: Pod] = [:]
    /// Objects may have several parts, for different pods.
    private(set) var policies: [ObjectReference: [PolicyObject]] = [:]
    private(set) var endpoints: [UInt16: EndpointRecord] = [:]
    package private(set) var nodeAddresses: Set<IPAddress> = []
    private var podsByAddress: [IPAddress: Set<String>] = [:]
    private var endpointsByAddress: [IPAddress: UInt16] = [:]
    private(set) var compiler = PolicyCompiler()
    private var views: [UInt16: EndpointView] = [:]
    /// What each cookie stood for when it was last seen in a row.
    private var origins: [UInt32: RuleOrigin] = [:]

    package init() {}

    package var policyCount: Int { policies.count }

    package var identityCount: Int { compiler.statistics.identities }

    /// What has to be written so that the kernel follows all that was staged.
    ///
    /// - Parameter collecting: also what makes the tables smaller, though nothing needs it.
    package mutating func commit(collecting: Bool = false) -> Changeset {
        let changeset = compiler.commit(collecting: collecting)
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
        for (reference, parts) in policies { compiler.stage(parts, of: reference) }
        for record in endpoints.values { stage(record) }
        for address in nodeAddresses { stage(address) }
        for address in podsByAddress.keys { stage(address) }
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
        }
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
    private mutating func setNamespace(_ name: String, _ namespace: Namespace?) {
        guard namespaces[name] != namespace else { return }
        namespaces[name] = namespace
        for record in endpoints.values where record.podNamespace == name { stage(record) }
        for pod in pods.values where pod.namespace == name {
            for address in pod.addresses { stage(address) }
        }
    }

    private mutating func setPod(_ key: String, _ pod: Pod?) {
        let old = pods[key]
        guard old != pod else { return }
        pods[key] = pod
        let oldAddresses = Set(old.map(Self.peerAddresses) ?? [])
        let newAddresses = Set(pod.map(Self.peerAddresses) ?? [])
        for address in oldAddresses.subtracting(newAddresses) {
            podsByAddress[address]?.remove(key)
            if podsByAddress[address]?.isEmpty == true { podsByAddress[address] = nil }
        }
        for address in newAddresses { podsByAddress[address, default: []].insert(key) }
        for address in oldAddresses.union(newAddresses) { stage(address) }
        for record in endpoints.values where record.podKey == key { stage(record) }
    }

    private mutating func setPolicy(_ reference: ObjectReference, _ parts: [PolicyObject]) {
        guard policies[reference] ?? [] != parts else { return }
        policies[reference] = parts.isEmpty ? nil : parts
        compiler.stage(parts, of: reference)
    }

    /// Pods in the node's network have its addresses, which are not theirs alone.
    private static func peerAddresses(_ pod: Pod) -> [IPAddress] { pod.hostNetwork ? [] : pod.addresses }
}

extension PolicyController {
    /// The labels that hold for an endpoint's pod: the manifest's, else those that the runtime sent, else none.
    package func labels(of record: EndpointRecord) -> Labels {
        if let pod = manifestPod(of: record) { return pod.labels }
        return Labels((record.labels ?? [:]).map { (key: $0.key, value: $0.value) })
    }

    func securityLabels(of record: EndpointRecord) -> SecurityLabels {
        SecurityLabels(
            namespace: record.podNamespace, namespaces[record.podNamespace], podLabels: labels(of: record))
    }

    func securityLabels(of pod: Pod) -> SecurityLabels {
        SecurityLabels(namespace: pod.namespace, namespaces[pod.namespace], podLabels: pod.labels)
    }

    private func manifestPod(of record: EndpointRecord) -> Pod? {
        guard !record.podName.isEmpty, let pod = pods[record.podKey], !pod.hostNetwork else { return nil }
        return pod
    }

    /// The endpoint that has an address, if one of this node does.
    func endpoint(at address: IPAddress) -> EndpointRecord? {
        endpointsByAddress[address].flatMap { endpoints[$0] }
    }

    /// The pod of another node that has an address.
    func remotePod(at address: IPAddress) -> Pod? {
        guard !nodeAddresses.contains(address), endpointsByAddress[address] == nil else { return nil }
        return manifestPod(at: address)
    }

    private mutating func stage(_ record: EndpointRecord) {
        compiler.stage(
            PolicyEndpoint(
                number: record.number, addresses: record.addresses, labels: securityLabels(of: record),
                namedPorts: manifestPod(of: record)?.namedPorts ?? []))
    }

    /// Tells the compiler who has an address if no endpoint does. Whoever is nearest has it: the node itself, then a pod
    /// of the manifests.
    private mutating func stage(_ address: IPAddress) {
        if nodeAddresses.contains(address) {
            compiler.stage(.host, at: address)
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

// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Model
import NetTypes

/// What the API server tells of objects. Whatever is wrong with one of them changes nothing else, and stays in
/// `errors` until the object is right, or gone.
extension ClusterState {
    mutating func set(_ namespace: Namespace) {
        if namespaces.set(namespace.name, namespace) { note(.namespaces) }
        mend(.namespaces, namespace.name)
    }

    mutating func set(_ pod: Pod) {
        if pods.set(pod.reference, pod) { note(.pods) }
        setProblems([], of: pod.reference)
    }

    mutating func set(_ node: SkeinNode) {
        let name = node.metadata.name
        if name == nodeName {
            ownSkeinNode = node
            wake([.ownNode, .ownSlices])
        }
        let told = ClusterNode(name: name, addresses: node.spec.addresses, podRanges: node.spec.podCIDRs)
        if nodes.set(name, told) { note(.nodes) }
        mend(.nodes, name)
    }

    mutating func set(_ identity: SkeinIdentity) {
        guard let number = identity.number, IdentityAllocator.range.contains(number) else {
            return refuse(.identities, identity.metadata.key, "the name is no number from 256 to 16777215")
        }
        guard let labels = SecurityLabels(flat: identity.spec.labels) else {
            return refuse(.identities, identity.metadata.key, field: "spec.labels", "these are no security labels")
        }
        guard identities.set(number, labels, uid: identity.metadata.uid) else {
            return refuse(
                .identities, identity.metadata.key, field: "spec.labels",
                "an identity's labels never change: they stay what they were")
        }
        note(.identities)
        mend(.identities, identity.metadata.name)
    }

    mutating func set(_ slice: SkeinEndpointSlice) {
        let name = slice.metadata.name
        if slice.nodeName == nodeName || SlicePlan.index(of: name, node: nodeName) != nil {
            ownSlices[name] = slice
            wake(.ownSlices)
        } else if ownSlices.removeValue(forKey: name) != nil {
            wake(.ownSlices)
        }
        guard slice.endpoints.count <= SkeinEndpointSlice.maximumEndpoints else {
            return refuse(
                .endpointSlices, slice.metadata.key, field: "endpoints",
                "more than \(SkeinEndpointSlice.maximumEndpoints)")
        }
        if slices.set(name, EndpointSlice(slice)) { note(.endpointSlices) }
        mend(.endpointSlices, name)
    }

    mutating func setAPIServers(_ addresses: Set<IPAddress>, in slice: String) {
        if apiServers.set(slice, addresses) { note(.apiServers) }
    }

    mutating func set(_ service: WatchedService) {
        // Many have none, and of those nothing is to be known.
        let addresses = service.addresses.isEmpty ? nil : service.addresses
        let reference = Self.reference(.services, service.metadata.key)
        if services.set(reference, addresses) { note(.services) }
        setProblems([], of: reference)
    }

    mutating func set(_ policy: ReceivedPolicy, _ kind: ClusterKind) {
        policies[kind]?.set(policy)
        note(kind)
        switch policy.content {
        case .valid: setProblems([], of: policy.reference)
        case .invalid(let problems):
            let isKept = policies[kind]?.objects.values[policy.reference] != nil
            let suffix = isKept ? " (the last valid version stays in force)" : ""
            setProblems(
                problems.map {
                    ClusterObjectError(object: policy.reference, field: $0.field, message: $0.message + suffix)
                }, of: policy.reference)
        }
    }

    mutating func remove(_ kind: ClusterKind, _ key: ObjectKey) {
        let object = Self.reference(kind, key)
        switch kind {
        case .namespaces: namespaces.set(key.name, nil)
        case .nodes:
            nodes.set(key.name, nil)
            if key.name == nodeName { ownSkeinNode = nil }
        case .identities:
            if let number = SkeinIdentity(metadata: ObjectMeta(name: key.name), spec: .init(labels: [:])).number {
                identities.remove(number)
            }
        case .apiServers: apiServers.set(key.name, nil)
        case .services: services.set(object, nil)
        case .endpointSlices:
            slices.set(key.name, nil)
            ownSlices[key.name] = nil
        case .pods: pods.set(object, nil)
        case .networkPolicies, .skeinPolicies, .skeinClusterPolicies, .clusterPolicies: policies[kind]?.remove(object)
        }
        note(kind)
        setProblems([], of: object)
    }

    /// There is no such kind of policies any more.
    mutating func removeAll(_ kind: ClusterKind) {
        for reference in (policies[kind]?.records ?? [:]).keys { setProblems([], of: reference) }
        policies[kind]?.removeAll()
        note(kind)
    }

    /// The object is there, but of no use: what was known of it stays.
    mutating func refuse(_ kind: ClusterKind, _ key: ObjectKey, field: String? = nil, _ message: String) {
        let object = Self.reference(kind, key)
        switch kind {
        case .namespaces: namespaces.confirm(key.name)
        case .nodes: nodes.confirm(key.name)
        case .identities:
            if let number = SkeinIdentity(metadata: ObjectMeta(name: key.name), spec: .init(labels: [:])).number {
                identities.confirm(number)
            }
        case .apiServers: apiServers.confirm(key.name)
        case .services: services.confirm(object)
        case .endpointSlices: slices.confirm(key.name)
        case .pods: pods.confirm(object)
        case .networkPolicies, .skeinPolicies, .skeinClusterPolicies, .clusterPolicies: policies[kind]?.confirm(object)
        }
        setProblems([ClusterObjectError(object: object, field: field, message: message)], of: object)
    }

    private mutating func mend(_ kind: ClusterKind, _ name: String) {
        setProblems([], of: ObjectReference(kind: kind.name, namespace: "", name: name))
    }

    static func reference(_ kind: ClusterKind, _ key: ObjectKey) -> ObjectReference {
        ObjectReference(kind: kind.name, namespace: key.namespace, name: key.name)
    }
}

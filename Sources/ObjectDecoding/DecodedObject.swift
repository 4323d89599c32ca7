// SPDX-License-Identifier: Apache-2.0
package import Model

/// An object of one of the kinds that are read field by field. It is valid.
package enum DecodedObject: Hashable, Sendable {
    case namespace(Namespace)
    case pod(Pod)
    case networkPolicy(NetworkPolicy)
    case skeinNetworkPolicy(SkeinNetworkPolicy)
    case clusterNetworkPolicy(ClusterNetworkPolicy)

    package var reference: ObjectReference {
        switch self {
        case .namespace(let namespace): ObjectReference(kind: "Namespace", namespace: "", name: namespace.name)
        case .pod(let pod): pod.reference
        case .networkPolicy(let policy): policy.reference
        case .skeinNetworkPolicy(let policy): policy.reference
        case .clusterNetworkPolicy(let policy): policy.reference
        }
    }
}

extension ResourceChange {
    package init(_ object: DecodedObject) {
        switch object {
        case .namespace(let namespace): self = .namespace(namespace.name, namespace)
        case .pod(let pod): self = .pod(pod.reference, pod)
        case .networkPolicy(let policy): self = .networkPolicy(policy.reference, policy)
        case .skeinNetworkPolicy(let policy): self = .skeinNetworkPolicy(policy.reference, policy)
        case .clusterNetworkPolicy(let policy): self = .clusterNetworkPolicy(policy.reference, policy)
        }
    }

    package init(removalOf object: DecodedObject) {
        switch object {
        case .namespace(let namespace): self = .namespace(namespace.name, nil)
        case .pod(let pod): self = .pod(pod.reference, nil)
        case .networkPolicy(let policy): self = .networkPolicy(policy.reference, nil)
        case .skeinNetworkPolicy(let policy): self = .skeinNetworkPolicy(policy.reference, nil)
        case .clusterNetworkPolicy(let policy): self = .clusterNetworkPolicy(policy.reference, nil)
        }
    }
}

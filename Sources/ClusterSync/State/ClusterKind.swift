// SPDX-License-Identifier: Apache-2.0
import Model

/// The kinds of objects that an agent follows and remembers.
enum ClusterKind: String, CaseIterable, Sendable {
    case namespaces
    case nodes
    case identities
    case apiServers
    case services
    case endpointSlices
    case pods
    case networkPolicies
    case skeinPolicies
    case skeinClusterPolicies
    case clusterPolicies

    /// As objects call it, and errors.
    var name: String {
        switch self {
        case .namespaces: "Namespace"
        case .nodes: "SkeinNode"
        case .identities: "SkeinIdentity"
        case .apiServers: "EndpointSlice"
        case .services: "Service"
        case .endpointSlices: "SkeinEndpointSlice"
        case .pods: "Pod"
        case .networkPolicies: "NetworkPolicy"
        case .skeinPolicies: SkeinNetworkPolicy.namespacedKind
        case .skeinClusterPolicies: SkeinNetworkPolicy.clusterKind
        case .clusterPolicies: ClusterNetworkPolicy.kind
        }
    }

    static let policies: [ClusterKind] = [
        .networkPolicies, .skeinPolicies, .skeinClusterPolicies, .clusterPolicies,
    ]
}

/// What has changed, for those who wait for it.
struct ClusterTopics: OptionSet, Sendable {
    let rawValue: UInt8

    /// There is something for the next batch.
    static let batch = ClusterTopics(rawValue: 1 << 0)
    static let identities = ClusterTopics(rawValue: 1 << 1)
    static let ownSlices = ClusterTopics(rawValue: 1 << 2)
    /// This node's Node or SkeinNode.
    static let ownNode = ClusterTopics(rawValue: 1 << 3)
    static let policies = ClusterTopics(rawValue: 1 << 4)
}

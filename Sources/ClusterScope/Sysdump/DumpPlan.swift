// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// What a dump holds, apart from logs: kinds and where they are. Secrets and ConfigMaps are not among them.
package struct DumpPlan: Hashable, Sendable {
    package struct Item: Hashable, Sendable {
        package let kind: ResourceDescriptor
        /// nil: of the whole cluster.
        package let namespace: String?
        /// Holds templates of pods or the like: goes through `Redaction`.
        package let isRedacted: Bool
        /// Need not be served.
        package let isOptional: Bool

        package var file: String { "objects/\(kind.plural).json" }
    }

    package let items: [Item]

    /// - Parameters:
    ///   - namespace: Skein's.
    ///   - endpointSlices: where this server has them.
    package init(namespace: String, endpointSlices: ResourceDescriptor?) {
        let own = [Kinds.pods, Kinds.daemonSets, Kinds.deployments, Kinds.leases, Kinds.events].map {
            Item(kind: $0, namespace: namespace, isRedacted: true, isOptional: false)
        }
        let cluster =
            [Kinds.nodes, Kinds.namespaces, Kinds.networkPolicies, Kinds.services] + [endpointSlices].compactMap(\.self)
        let skein = [
            SkeinNode.resource.descriptor, SkeinEndpointSlice.resource.descriptor, SkeinIdentity.resource.descriptor,
            Kinds.skeinNetworkPolicies, Kinds.skeinClusterNetworkPolicies,
        ]
        items =
            own + cluster.map { Item(kind: $0, namespace: nil, isRedacted: true, isOptional: false) }
            + skein.map { Item(kind: $0, namespace: nil, isRedacted: false, isOptional: false) } + [
                Item(kind: Kinds.clusterNetworkPolicies, namespace: nil, isRedacted: false, isOptional: true),
                Item(
                    kind: KubeCustomResourceDefinition.resource.descriptor, namespace: nil, isRedacted: true,
                    isOptional: true),
            ]
    }
}

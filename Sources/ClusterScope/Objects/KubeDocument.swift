// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// An object of any kind, all of it.
package struct KubeDocument: KubeObject, Hashable, Codable, Sendable {
    package let metadata: ObjectMeta
    package var json: JSON

    /// To be created. `json` has no metadata: the rest of the object.
    package init(metadata: ObjectMeta, json: JSON) {
        self.metadata = metadata
        self.json = json
    }

    private enum CodingKeys: String, CodingKey { case metadata }

    package init(from decoder: any Decoder) throws {
        metadata = try decoder.container(keyedBy: CodingKeys.self).decode(ObjectMeta.self, forKey: .metadata)
        json = try JSON(from: decoder)
    }

    /// With `metadata`, whatever `json` has of it.
    package func encode(to encoder: any Encoder) throws {
        var rest = json
        rest["metadata"] = .null
        try rest.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(metadata, forKey: .metadata)
    }
}

/// The kinds that are read or made here.
package enum Kinds {
    package static let pods = core("pods", "Pod")
    package static let services = core("services", "Service")
    package static let nodes = core("nodes", "Node", isNamespaced: false)
    package static let namespaces = core("namespaces", "Namespace", isNamespaced: false)
    package static let events = core("events", "Event")
    package static let daemonSets = named("apps", "v1", "daemonsets", "DaemonSet")
    package static let deployments = named("apps", "v1", "deployments", "Deployment")
    package static let leases = named("coordination.k8s.io", "v1", "leases", "Lease")
    package static let networkPolicies = named("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
    package static let clusterNetworkPolicies = named(
        "policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies", "ClusterNetworkPolicy", isNamespaced: false)
    package static let skeinNetworkPolicies = named("skein.dev", "v1", "skeinnetworkpolicies", "SkeinNetworkPolicy")
    package static let skeinClusterNetworkPolicies = named(
        "skein.dev", "v1", "skeinclusternetworkpolicies", "SkeinClusterNetworkPolicy", isNamespaced: false)

    private static func core(_ plural: String, _ kind: String, isNamespaced: Bool = true) -> ResourceDescriptor {
        named("", "v1", plural, kind, isNamespaced: isNamespaced)
    }

    private static func named(
        _ group: String, _ version: String, _ plural: String, _ kind: String, isNamespaced: Bool = true
    ) -> ResourceDescriptor {
        ResourceDescriptor(group: group, version: version, plural: plural, kind: kind, isNamespaced: isNamespaced)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// apiextensions.k8s.io/v1 CustomResourceDefinition.
package struct KubeCustomResourceDefinition: KubeObject, Hashable, Sendable {
    package let metadata: ObjectMeta
    /// Versions that the server serves, in the definition's order.
    package let servedVersions: [String]
    package let conditions: [KubeCondition]

    package init(metadata: ObjectMeta, servedVersions: [String], conditions: [KubeCondition] = []) {
        self.metadata = metadata
        self.servedVersions = servedVersions
        self.conditions = conditions
    }

    /// Its names are accepted and it is served, or will be within a moment.
    package var isEstablished: Bool { conditions["Established"]?.isTrue ?? false }

    package static let resource = Resource<KubeCustomResourceDefinition>(
        ResourceDescriptor(
            group: "apiextensions.k8s.io", version: "v1", plural: "customresourcedefinitions",
            kind: "CustomResourceDefinition", isNamespaced: false))
}

extension KubeCustomResourceDefinition: Decodable {
    private struct Wire: Decodable {
        struct Spec: Decodable {
            let versions: [Version]
        }

        struct Version: Decodable {
            let name: String
            let served: Bool
        }

        struct Status: Decodable {
            let conditions: [KubeCondition]?
        }

        let metadata: ObjectMeta
        let spec: Spec
        let status: Status?
    }

    package init(from decoder: any Decoder) throws {
        let wire = try Wire(from: decoder)
        metadata = wire.metadata
        servedVersions = wire.spec.versions.filter(\.served).map(\.name)
        conditions = wire.status?.conditions ?? []
    }
}

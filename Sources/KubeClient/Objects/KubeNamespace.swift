// SPDX-License-Identifier: Apache-2.0

/// v1 Namespace.
package struct KubeNamespace: KubeObject, Hashable, Decodable, Sendable {
    /// Its labels are what policies select.
    package let metadata: ObjectMeta

    package init(metadata: ObjectMeta) {
        self.metadata = metadata
    }

    package static let resource = Resource<KubeNamespace>(
        ResourceDescriptor(group: "", version: "v1", plural: "namespaces", kind: "Namespace", isNamespaced: false))
}

// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// A SkeinEndpointSlice: whose it is, and which identities it names.
package struct SliceUse: KubeObject, Hashable, Sendable {
    /// With its owners, without labels.
    package let metadata: ObjectMeta
    package let node: String
    /// In order, each once.
    package let identities: [UInt32]

    package init(
        name: String, uid: String, version: String, node: String, owners: [OwnerReference] = [], identities: [UInt32]
    ) {
        metadata = ObjectMeta(name: name, uid: uid, resourceVersion: version, ownerReferences: owners)
        self.node = node
        self.identities = Set(identities).sorted()
    }

    package static let resource = Resource<SliceUse>(SkeinEndpointSlice.resource.descriptor)
}

extension SliceUse: Decodable {
    private struct Wire: Decodable {
        struct Endpoint: Decodable {
            let identity: UInt32
        }

        let metadata: ObjectMeta
        let nodeName: String
        let endpoints: [Endpoint]?
    }

    package init(from decoder: any Decoder) throws {
        let wire = try Wire(from: decoder)
        self.init(
            name: wire.metadata.name, uid: wire.metadata.uid, version: wire.metadata.resourceVersion,
            node: wire.nodeName, owners: wire.metadata.ownerReferences,
            identities: (wire.endpoints ?? []).map(\.identity))
    }
}

// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// A v1 Node: that it is there.
package struct NodeHead: KubeObject, Hashable, Decodable, Sendable {
    package let metadata: ObjectMeta

    private enum CodingKeys: String, CodingKey { case metadata }

    package init(from decoder: any Decoder) throws {
        let full = try decoder.container(keyedBy: CodingKeys.self).decode(ObjectMeta.self, forKey: .metadata)
        // Labels of nodes are many, and nobody asks for them.
        metadata = ObjectMeta(name: full.name, uid: full.uid, resourceVersion: full.resourceVersion)
    }

    package static let resource = Resource<NodeHead>(KubeNode.resource.descriptor)
}

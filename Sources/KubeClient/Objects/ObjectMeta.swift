// SPDX-License-Identifier: Apache-2.0

/// `metadata` (meta/v1 ObjectMeta), the fields that are used.
package struct ObjectMeta: Hashable, Sendable {
    package var name: String
    /// Empty for objects of the cluster.
    package var namespace: String
    /// Empty in an object that was not read from the API server.
    package var uid: String
    /// Opaque: compare for equality only. Sent with a patch, it makes the patch fail if the object changed. Empty as above.
    package var resourceVersion: String
    /// Counts changes of `spec`; 0 if the kind does not count.
    package var generation: Int64
    package var labels: [String: String]
    /// RFC 3339; nil while nobody deletes the object.
    package var deletionTimestamp: String?
    package var ownerReferences: [OwnerReference]

    package init(
        name: String, namespace: String = "", uid: String = "", resourceVersion: String = "", generation: Int64 = 0,
        labels: [String: String] = [:], deletionTimestamp: String? = nil, ownerReferences: [OwnerReference] = []
    ) {
        self.name = name
        self.namespace = namespace
        self.uid = uid
        self.resourceVersion = resourceVersion
        self.generation = generation
        self.labels = labels
        self.deletionTimestamp = deletionTimestamp
        self.ownerReferences = ownerReferences
    }

    package var key: ObjectKey { ObjectKey(namespace: namespace, name: name) }
}

extension ObjectMeta: Codable {
    private enum CodingKeys: String, CodingKey {
        case name, namespace, uid, resourceVersion, generation, labels, deletionTimestamp, ownerReferences
    }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        name = try container.decode(String.self, forKey: .name)
        namespace = try container.decodeIfPresent(String.self, forKey: .namespace) ?? ""
        uid = try container.decodeIfPresent(String.self, forKey: .uid) ?? ""
        resourceVersion = try container.decodeIfPresent(String.self, forKey: .resourceVersion) ?? ""
        generation = try container.decodeIfPresent(Int64.self, forKey: .generation) ?? 0
        labels = try container.decodeIfPresent([String: String].self, forKey: .labels) ?? [:]
        deletionTimestamp = try container.decodeIfPresent(String.self, forKey: .deletionTimestamp)
        ownerReferences = try container.decodeIfPresent([OwnerReference].self, forKey: .ownerReferences) ?? []
    }

    /// Without what the API server alone writes (`generation`, `deletionTimestamp`) and without what is empty.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(name, forKey: .name)
        if !namespace.isEmpty { try container.encode(namespace, forKey: .namespace) }
        if !uid.isEmpty { try container.encode(uid, forKey: .uid) }
        if !resourceVersion.isEmpty { try container.encode(resourceVersion, forKey: .resourceVersion) }
        if !labels.isEmpty { try container.encode(labels, forKey: .labels) }
        if !ownerReferences.isEmpty { try container.encode(ownerReferences, forKey: .ownerReferences) }
    }
}

/// Whose object this is: it goes when its owners are gone.
package struct OwnerReference: Hashable, Codable, Sendable {
    package var apiVersion: String
    package var kind: String
    package var name: String
    package var uid: String
    package var controller: Bool?

    package init(apiVersion: String, kind: String, name: String, uid: String, controller: Bool? = nil) {
        self.apiVersion = apiVersion
        self.kind = kind
        self.name = name
        self.uid = uid
        self.controller = controller
    }
}

/// An object of any kind: its metadata and all of its JSON.
package struct RawObject: KubeObject, Hashable, Sendable {
    package let metadata: ObjectMeta
    /// As the API server sent it.
    package let json: [UInt8]

    package init(metadata: ObjectMeta, json: [UInt8]) {
        self.metadata = metadata
        self.json = json
    }
}

/// The least that must be there: what the object is called, and its version.
struct ObjectHead: Decodable, Sendable {
    private struct Wire: Decodable {
        struct Metadata: Decodable {
            let name: String
            let namespace: String?
            let resourceVersion: String?
        }

        let metadata: Metadata
    }

    let key: ObjectKey
    let version: String

    init(from decoder: any Decoder) throws {
        let metadata = try Wire(from: decoder).metadata
        key = ObjectKey(namespace: metadata.namespace ?? "", name: metadata.name)
        version = metadata.resourceVersion ?? ""
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Anything that the API server keeps.
package protocol KubeObject: Sendable {
    var metadata: ObjectMeta { get }
}

/// A kind of objects, and how its JSON becomes what we keep of it.
package struct Resource<Object: KubeObject>: Sendable {
    package let descriptor: ResourceDescriptor
    /// Throws what says which field is wrong.
    let decode: @Sendable ([UInt8]) throws -> Object

    package init(_ descriptor: ResourceDescriptor, decode: @escaping @Sendable ([UInt8]) throws -> Object) {
        self.descriptor = descriptor
        self.decode = decode
    }
}

extension Resource where Object: Decodable {
    package init(_ descriptor: ResourceDescriptor) {
        self.init(descriptor) { json in try decodeJSON(Object.self, from: json) }
    }
}

extension Resource where Object == RawObject {
    /// Objects as they came, for a decoder of their own.
    package static func raw(_ descriptor: ResourceDescriptor) -> Resource<RawObject> {
        Resource(descriptor) { json in
            RawObject(metadata: try decodeJSON(JustMetadata.self, from: json).metadata, json: json)
        }
    }
}

private struct JustMetadata: Decodable {
    let metadata: ObjectMeta
}

// SPDX-License-Identifier: Apache-2.0
import NIOHTTP1

extension APIClient {
    /// `namespace` is ignored for objects of the cluster.
    package func get<Object: KubeObject>(
        _ resource: Resource<Object>, _ name: String, namespace: String = ""
    ) async throws -> Object {
        let path = resource.descriptor.path(namespace: namespace, name: name)
        return try await call(APIRequest(path: path), resource.decode)
    }

    /// As ``get(_:_:namespace:)``; nil if there is no such object.
    package func find<Object: KubeObject>(
        _ resource: Resource<Object>, _ name: String, namespace: String = ""
    ) async throws -> Object? {
        do {
            return try await get(resource, name, namespace: namespace)
        } catch let error as KubeError {
            guard error.isNotFound else { throw error }
            return nil
        }
    }

    /// The object as the server made it. `KubeError.isAlreadyExists` if the name is taken.
    package func create<Object: KubeObject & Encodable>(
        _ resource: Resource<Object>, _ object: Object, namespace: String = ""
    ) async throws -> Object {
        var request = APIRequest(method: .POST, path: resource.descriptor.path(namespace: namespace))
        request.body = try body(TypedBody(resource.descriptor, object), request)
        return try await call(request, resource.decode)
    }

    /// What a delete insists on; `KubeError.isConflict` if the object is another by now.
    package struct Preconditions: Hashable, Encodable, Sendable {
        package var uid: String?
        package var resourceVersion: String?

        package init(uid: String? = nil, resourceVersion: String? = nil) {
            self.uid = uid
            self.resourceVersion = resourceVersion
        }
    }

    /// What happens to the objects that this one owns.
    package enum Propagation: String, Encodable, Sendable {
        case background = "Background"
        case foreground = "Foreground"
        case orphan = "Orphan"
    }

    /// False if there was no such object. An object with finalizers is still there for a while.
    @discardableResult
    package func delete<Object: KubeObject>(
        _ resource: Resource<Object>, _ name: String, namespace: String = "", preconditions: Preconditions? = nil,
        propagation: Propagation? = nil
    ) async throws -> Bool {
        var request = APIRequest(
            method: .DELETE, path: resource.descriptor.path(namespace: namespace, name: name))
        request.body = try body(
            DeleteOptions(preconditions: preconditions, propagationPolicy: propagation), request)
        do {
            _ = try await transport.call(request)
            return true
        } catch let error as KubeError {
            guard error.isNotFound else { throw error }
            return false
        }
    }

    private struct DeleteOptions: Encodable {
        let apiVersion = "v1"
        let kind = "DeleteOptions"
        let preconditions: Preconditions?
        let propagationPolicy: Propagation?
    }

    func body(_ value: some Encodable, _ request: APIRequest) throws -> [UInt8] {
        do {
            return try encodeJSON(value)
        } catch {
            throw KubeError(.badResponse("the object to send can't be encoded: \(error)"), request: request.name)
        }
    }
}

/// An object with the type that the API wants in front.
struct TypedBody<Object: Encodable>: Encodable {
    private let descriptor: ResourceDescriptor
    private let object: Object

    init(_ descriptor: ResourceDescriptor, _ object: Object) {
        self.descriptor = descriptor
        self.object = object
    }

    private enum CodingKeys: String, CodingKey { case apiVersion, kind }

    func encode(to encoder: any Encoder) throws {
        try object.encode(to: encoder)
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(descriptor.apiVersion, forKey: .apiVersion)
        try container.encode(descriptor.kind, forKey: .kind)
    }
}

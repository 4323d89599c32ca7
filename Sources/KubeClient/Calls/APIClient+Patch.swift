// SPDX-License-Identifier: Apache-2.0
import NIOHTTP1

/// What of an object a call is about.
package enum Subresource: String, Hashable, Sendable {
    case status
}

extension APIClient {
    /// How the server merges a patch.
    package enum PatchKind: Hashable, Sendable {
        /// RFC 7386: null removes a field, a list replaces a list. A `metadata.resourceVersion` in it makes it conflict
        /// with changes in between.
        case merge
        /// As above, but lists that have a key (conditions: `type`) are merged by it. Built-in kinds only.
        case strategicMerge

        fileprivate var contentType: String {
            switch self {
            case .merge: "application/merge-patch+json"
            case .strategicMerge: "application/strategic-merge-patch+json"
            }
        }
    }

    /// The object as it is then. `changes` encodes to the part of the object that changes.
    @discardableResult
    package func patch<Object: KubeObject>(
        _ resource: Resource<Object>, _ name: String, namespace: String = "", subresource: Subresource? = nil,
        kind: PatchKind = .merge, changes: some Encodable
    ) async throws -> Object {
        let path = resource.descriptor.path(namespace: namespace, name: name, subresource: subresource?.rawValue)
        var request = APIRequest(method: .PATCH, path: path)
        request.contentType = kind.contentType
        request.body = try body(changes, request)
        return try await call(request, resource.decode)
    }

    /// Server-side apply: makes the fields of `object` ours, as `manager`, creates the object if it isn't there, and
    /// removes fields that we applied before and are not in `object` now. `KubeError.isConflict` if another manager
    /// owns one of them, unless `force`, which takes it.
    ///
    /// `object` must not carry a `resourceVersion` but that of an object that must not have changed.
    @discardableResult
    package func apply<Object: KubeObject, Configuration: Encodable>(
        _ resource: Resource<Object>, _ name: String, namespace: String = "", subresource: Subresource? = nil,
        _ object: Configuration, manager: String, force: Bool = false
    ) async throws -> Object {
        let path = resource.descriptor.path(namespace: namespace, name: name, subresource: subresource?.rawValue)
        var request = APIRequest(method: .PATCH, path: path)
        // JSON is YAML.
        request.contentType = "application/apply-patch+yaml"
        request.query = [("fieldManager", manager)]
        if force { request.query.append(("force", "true")) }
        request.body = try body(TypedBody(resource.descriptor, object), request)
        return try await call(request, resource.decode)
    }

    /// Sets one condition of a node and leaves the others; NetworkUnavailable is the one for a network's agent.
    /// The times in `condition` are sent as they are.
    @discardableResult
    package func setCondition(_ condition: KubeCondition, ofNode name: String) async throws -> KubeNode {
        struct Changes: Encodable {
            struct Status: Encodable {
                let conditions: [KubeCondition]
            }

            let status: Status
        }
        return try await patch(
            KubeNode.resource, name, subresource: .status, kind: .strategicMerge,
            changes: Changes(status: .init(conditions: [condition])))
    }

    /// Runs `body`, which reads an object and writes it with the version it read, until nobody else wrote in between:
    /// again after a conflict, at most `attempts` times in all.
    package func retryingConflicts<Value>(
        attempts: Int = 5, _ body: () async throws -> Value
    ) async throws -> Value {
        let backoff = Backoff(base: .milliseconds(10), limit: .seconds(1))
        var generator = SystemRandomNumberGenerator()
        var attempt = 1
        while true {
            do {
                return try await body()
            } catch let error as KubeError {
                guard error.isConflict, attempt < attempts else { throw error }
            }
            try await transport.options.sleep(backoff.delay(attempt: attempt, using: &generator))
            attempt += 1
        }
    }
}

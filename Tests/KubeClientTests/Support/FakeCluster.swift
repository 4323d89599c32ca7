// SPDX-License-Identifier: Apache-2.0
import Foundation
import Synchronization

/// Keeps objects as an API server does: versions, conflicts, merge patches.
final class FakeCluster: Sendable {
    private struct State {
        var objects: [String: JSONValue] = [:]
        var version = 0
    }

    private let state = Mutex(State())
    /// Requests for which this holds are not answered.
    let isDown = Mutex<@Sendable (FakeRequest) -> Bool>({ _ in false })

    func object(_ path: String) -> JSONValue? { state.withLock { $0.objects[path] } }

    func answer(_ request: FakeRequest) async throws -> FakeResponse {
        if isDown.withLock({ $0 })(request) { throw Abort() }
        return state.withLock { state in
            switch request.method {
            case "GET": return Self.found(state.objects[request.path])
            case "POST": return Self.create(request, &state)
            case "PATCH": return Self.patch(request, &state)
            case "DELETE":
                guard let old = state.objects[request.path] else { return Self.found(nil) }
                let wanted = request.json["preconditions"]
                for field in ["uid", "resourceVersion"] where wanted[field] != .null {
                    if wanted[field] != old["metadata"][field] {
                        return .status(409, "Conflict", "the \(field) is another")
                    }
                }
                state.objects[request.path] = nil
                return .json("{\"kind\":\"Status\",\"status\":\"Success\"}")
            default: return .status(405, "MethodNotAllowed")
            }
        }
    }

    private static func found(_ object: JSONValue?) -> FakeResponse {
        object.map { .json($0.text) } ?? .status(404, "NotFound", "there is no such object")
    }

    private static func create(_ request: FakeRequest, _ state: inout State) -> FakeResponse {
        var object = request.json
        let path = "\(request.path)/\(object["metadata"]["name"].string ?? "")"
        guard state.objects[path] == nil else { return .status(409, "AlreadyExists", "the name is taken") }
        state.version += 1
        object["metadata"]["uid"] = .string("uid-\(state.version)")
        object["metadata"]["resourceVersion"] = .string("\(state.version)")
        state.objects[path] = object
        return .json(object.text, status: 201)
    }

    private static func patch(_ request: FakeRequest, _ state: inout State) -> FakeResponse {
        let path = request.path.hasSuffix("/status") ? String(request.path.dropLast(7)) : request.path
        guard let old = state.objects[path] else { return found(nil) }
        let wanted = request.json["metadata"]["resourceVersion"]
        guard wanted == .null || wanted == old["metadata"]["resourceVersion"] else {
            return .status(409, "Conflict", "the object has been modified")
        }
        var object = old.merged(with: request.json)
        state.version += 1
        object["metadata"]["resourceVersion"] = .string("\(state.version)")
        state.objects[path] = object
        return .json(object.text)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
package import Synchronization

/// Keeps objects as an API server does: versions, conflicts, merge patches, server-side apply, lists and watches.
///
/// It knows no schemas and no field managers: an apply merges, and a list in it replaces a list, but for
/// `status.conditions`, which are merged by their type.
package final class FakeCluster: Sendable {
    private struct State {
        var objects: [String: JSONValue] = [:]
        var version = 0
        /// Everything that happened, for watches that begin in the past.
        var history: [(version: Int, change: Change)] = []
        var watchers: [Int: (collection: Collection, continuation: AsyncStream<String>.Continuation)] = [:]
        var nextWatcher = 0
    }

    private struct Change {
        let place: Place
        let line: String
    }

    private let state = Mutex(State())
    /// Requests for which this holds are not answered.
    package let isDown = Mutex<@Sendable (FakeRequest) -> Bool>({ _ in false })
    /// What happens to a request before it is looked at: it may wait, or fail.
    package let gate = Mutex<@Sendable (FakeRequest) async throws -> Void>({ _ in })

    package init() {}

    package func object(_ path: String) -> JSONValue? { state.withLock { $0.objects[path] } }

    /// The names of what is in a collection, in order.
    package func names(in path: String) -> [String] {
        guard let collection = Place(path: path)?.collection else { return [] }
        return state.withLock { $0.objects.keys.compactMap(Place.init(path:)) }
            .filter { $0.collection.isWithin(collection) }.compactMap(\.name).sorted()
    }

    /// Puts an object there, or another in its place, as if a client had done so.
    package func put(_ path: String, _ json: String) throws {
        let object = try JSONValue(json)
        state.withLock { _ = Self.store(object, path, &$0) }
    }

    package func remove(_ path: String) {
        state.withLock { Self.delete(path, &$0) }
    }

    /// Breaks all watches that are open.
    package func endWatches() {
        let watchers = state.withLock { state in
            defer { state.watchers = [:] }
            return state.watchers.values.map(\.continuation)
        }
        for watcher in watchers { watcher.finish() }
    }

    package func answer(_ request: FakeRequest) async throws -> FakeResponse {
        if isDown.withLock({ $0 })(request) { throw Abort() }
        try await gate.withLock { $0 }(request)
        return try await answerPastGate(request)
    }

    /// As ``answer(_:)``, whatever stands before it.
    package func answerPastGate(_ request: FakeRequest) async throws -> FakeResponse {
        guard let place = Place(path: request.path) else { return .status(404, "NotFound", "there is no such path") }
        if request.isWatch { return watch(place.collection, from: Int(request.query["resourceVersion"] ?? "") ?? 0) }
        return state.withLock { state in
            switch request.method {
            case "GET" where place.name == nil: return Self.list(place.collection, state)
            case "GET": return Self.found(state.objects[place.path])
            case "POST": return Self.create(request, &state)
            case "PATCH" where request.headers["content-type"]?.contains("apply-patch") ?? false:
                return Self.apply(request, place, &state)
            case "PATCH": return Self.patch(request, place, &state)
            case "DELETE":
                guard let old = state.objects[place.path] else { return Self.found(nil) }
                if let refusal = Self.refusal(request.json["preconditions"], old) { return refusal }
                Self.delete(place.path, &state)
                return .json("{\"kind\":\"Status\",\"status\":\"Success\"}")
            default: return .status(405, "MethodNotAllowed")
            }
        }
    }

    // MARK: Reading

    private static func found(_ object: JSONValue?) -> FakeResponse {
        object.map { .json($0.text) } ?? .status(404, "NotFound", "there is no such object")
    }

    private static func list(_ collection: Collection, _ state: State) -> FakeResponse {
        let items = state.objects.filter { Place(path: $0.key)?.collection.isWithin(collection) ?? false }
            .sorted { $0.key < $1.key }.map(\.value.text)
        return .json(
            """
            {"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"\(state.version)"},\
            "items":[\(items.joined(separator: ","))]}
            """)
    }

    private func watch(_ collection: Collection, from version: Int) -> FakeResponse {
        let (stream, continuation) = AsyncStream.makeStream(of: String.self)
        let number = state.withLock { state in
            for (happened, change) in state.history
            where happened > version && change.place.collection.isWithin(collection) {
                continuation.yield(change.line)
            }
            state.nextWatcher += 1
            state.watchers[state.nextWatcher] = (collection, continuation)
            return state.nextWatcher
        }
        return .chunks { write in
            for await line in stream { try await write(line) }
            self.state.withLock { $0.watchers[number] = nil }
        }
    }

    // MARK: Writing

    private static func create(_ request: FakeRequest, _ state: inout State) -> FakeResponse {
        let path = "\(request.path)/\(request.json["metadata"]["name"].string ?? "")"
        guard state.objects[path] == nil else { return .status(409, "AlreadyExists", "the name is taken") }
        return .json(store(request.json, path, &state).text, status: 201)
    }

    private static func apply(_ request: FakeRequest, _ place: Place, _ state: inout State) -> FakeResponse {
        guard let old = state.objects[place.path] else {
            guard request.json["metadata"]["uid"] == .null else {
                return .status(409, "Conflict", "uid mismatch: no existing object was found")
            }
            return .json(store(request.json, place.path, &state).text, status: 201)
        }
        if let refusal = refusal(request.json["metadata"], old) { return refusal }
        var object = old.merged(with: request.json)
        if case .array(let own) = old["status"]["conditions"],
            case .array(let new) = request.json["status"]["conditions"]
        {
            let types = Set(new.map { $0["type"] })
            object["status"]["conditions"] = .array(own.filter { !types.contains($0["type"]) } + new)
        }
        return .json(changed(old, to: object, place.path, &state).text)
    }

    private static func patch(_ request: FakeRequest, _ place: Place, _ state: inout State) -> FakeResponse {
        guard let old = state.objects[place.path] else { return found(nil) }
        if let refusal = refusal(request.json["metadata"], old) { return refusal }
        return .json(changed(old, to: old.merged(with: request.json), place.path, &state).text)
    }

    /// `wanted` may insist on a uid and a version.
    private static func refusal(_ wanted: JSONValue, _ old: JSONValue) -> FakeResponse? {
        for field in ["uid", "resourceVersion"] where wanted[field] != .null {
            if wanted[field] != old["metadata"][field] { return .status(409, "Conflict", "the \(field) is another") }
        }
        return nil
    }

    /// What changes nothing is no new version.
    private static func changed(
        _ old: JSONValue, to object: JSONValue, _ path: String, _ state: inout State
    ) -> JSONValue {
        object == old ? old : store(object, path, &state)
    }

    @discardableResult
    private static func store(_ object: JSONValue, _ path: String, _ state: inout State) -> JSONValue {
        var object = object
        let isNew = state.objects[path] == nil
        state.version += 1
        if object["metadata"]["uid"] == .null { object["metadata"]["uid"] = .string("uid-\(state.version)") }
        object["metadata"]["resourceVersion"] = .string("\(state.version)")
        state.objects[path] = object
        tell(isNew ? "ADDED" : "MODIFIED", object, path, &state)
        return object
    }

    private static func delete(_ path: String, _ state: inout State) {
        guard var object = state.objects.removeValue(forKey: path) else { return }
        state.version += 1
        object["metadata"]["resourceVersion"] = .string("\(state.version)")
        tell("DELETED", object, path, &state)
    }

    private static func tell(_ type: String, _ object: JSONValue, _ path: String, _ state: inout State) {
        guard let place = Place(path: path) else { return }
        let change = Change(place: place, line: event(type, object.text))
        state.history.append((state.version, change))
        for watcher in state.watchers.values where place.collection.isWithin(watcher.collection) {
            watcher.continuation.yield(change.line)
        }
    }
}

/// All objects of a kind, or those of one namespace.
private struct Collection: Equatable {
    /// "/apis/skein.dev/v1/skeinnodes"
    let kind: String
    let namespace: String?

    func isWithin(_ other: Collection) -> Bool {
        kind == other.kind && (other.namespace == nil || namespace == other.namespace)
    }
}

/// What a path of the API means.
private struct Place {
    let collection: Collection
    let name: String?
    /// Without the subresource.
    let path: String

    init?(path: String) {
        let parts = path.split(separator: "/").map(String.init)
        let root = parts.first == "api" ? 2 : 3
        guard parts.count > root else { return nil }
        var rest = parts[root...]
        var namespace: String?
        if rest.first == "namespaces", rest.count >= 3 {
            namespace = rest[root + 1]
            rest = rest.dropFirst(2)
        }
        guard let plural = rest.first else { return nil }
        collection = Collection(
            kind: "/" + (parts[..<root] + [plural]).joined(separator: "/"), namespace: namespace)
        name = rest.dropFirst().first
        self.path = "/" + parts[..<(rest.startIndex + min(rest.count, 2))].joined(separator: "/")
    }
}

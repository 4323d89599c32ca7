// SPDX-License-Identifier: Apache-2.0

/// What a watch tells.
package enum WatchEvent<Object: KubeObject>: Sendable {
    /// New or changed.
    case changed(Received<Object>)
    case deleted(ObjectKey, version: String)
    /// Nothing happened up to this version.
    case bookmark(version: String)
    /// The watch has failed and ends.
    case failed(KubeStatus)
}

extension WatchEvent: Equatable where Object: Equatable {}

extension APIClient {
    /// Hands on what changes after `version`, until the server ends the watch, as it does after some minutes.
    ///
    /// - Parameters:
    ///   - lasting: asks the server to end it then.
    ///   - stall: if the server says nothing for so long, not even a bookmark, it ends with `KubeError.Cause.timedOut`.
    ///   - receive: gets what came in together; nothing is read while it runs.
    package func watch<Object: KubeObject>(
        _ resource: Resource<Object>, _ selection: ObjectSelection = ObjectSelection(), from version: String,
        lasting: Duration = .seconds(300), stall: Duration = .seconds(180),
        receive: ([WatchEvent<Object>]) async throws -> Void
    ) async throws {
        var request = APIRequest(path: resource.descriptor.path(namespace: selection.namespace))
        request.query = selection.query
        request.query += [
            ("watch", "1"), ("allowWatchBookmarks", "true"), ("resourceVersion", version),
            ("timeoutSeconds", "\(max(lasting.components.seconds, 1))"),
        ]
        let name = request.name
        let limit = transport.options.maximumObjectBytes
        try await transport.stream(request, stall: stall) { chunks in
            var splitter = LineSplitter(limit: limit)
            while let chunk = try await chunks.next() {
                let lines: [[UInt8]]
                do {
                    lines = try splitter.feed(chunk)
                } catch {
                    throw KubeError(.badResponse("an event of more than \(limit) bytes"), request: name)
                }
                if lines.isEmpty { continue }
                var events: [WatchEvent<Object>] = []
                var failure: KubeError?
                for line in lines where failure == nil {
                    do {
                        if let event = try WatchEvent(line: line, resource) { events.append(event) }
                    } catch {
                        failure = KubeError(.badResponse("an event that can't be read: \(error)"), request: name)
                    }
                }
                // What came before a broken event counts.
                if !events.isEmpty { try await receive(events) }
                if let failure { throw failure }
            }
            guard splitter.buffered == 0 else {
                throw KubeError(.interrupted("it ended within an event"), request: name)
            }
        }
    }
}

extension WatchEvent {
    /// nil for types of event that are not known.
    init?(line: [UInt8], _ resource: Resource<Object>) throws(JSONFailure) {
        guard let range = memberRange("object", in: line), let typeRange = memberRange("type", in: line) else {
            throw JSONFailure("it has no type and object")
        }
        let type = try decodeJSON(String.self, from: line[typeRange])
        let json = Array(line[range])
        switch type {
        case "ADDED", "MODIFIED":
            self = .changed(try Received(json: json, resource))
        case "DELETED":
            let head = try decodeJSON(ObjectHead.self, from: json)
            self = .deleted(head.key, version: head.version)
        case "BOOKMARK":
            self = .bookmark(version: try decodeJSON(Bookmark.self, from: json).metadata.resourceVersion)
        case "ERROR":
            self = .failed(try decodeJSON(KubeStatus.self, from: json))
        default:
            return nil
        }
    }
}

/// An object that has a version and no name.
private struct Bookmark: Decodable {
    struct Metadata: Decodable {
        let resourceVersion: String
    }

    let metadata: Metadata
}

// SPDX-License-Identifier: Apache-2.0

extension APIClient {
    private struct Envelope: Decodable {
        struct Metadata: Decodable {
            let resourceVersion: String?
            let `continue`: String?
        }

        let metadata: Metadata
    }

    /// Lists objects, `pageSize` at a time (a server may send all at once, and is asked to for `.notOlderThan`), and hands
    /// them on as they come in: what is kept in memory is one chunk of the response and one object, however long the list
    /// is, and nothing is read while `receive` runs.
    ///
    /// A list that the server can't continue (410) begins anew once, without pages: `ListPart.restarted` says so.
    /// - Returns: the version to watch from.
    package func list<Object: KubeObject>(
        _ resource: Resource<Object>, _ selection: ObjectSelection = ObjectSelection(),
        freshness: ListFreshness = .latest, pageSize: Int = 500,
        receive: (ListPart<Object>) async throws -> Void
    ) async throws -> String {
        var query = selection.query
        switch freshness {
        case .any: query.append(("resourceVersion", "0"))
        case .notOlderThan(let version):
            query += [("resourceVersion", version), ("resourceVersionMatch", "NotOlderThan")]
        case .latest: break
        }
        var request = APIRequest(path: resource.descriptor.path(namespace: selection.namespace))
        request.query = query
        // With a limit, a server does not answer this one from its cache.
        let isWhole = if case .notOlderThan = freshness { true } else { false }
        if pageSize > 0, !isWhole { request.query.append(("limit", "\(pageSize)")) }
        var isContinued = false
        while true {
            let envelope: Envelope
            do {
                envelope = try await page(resource, request, receive: receive)
            } catch let error as KubeError where error.isGone {
                guard isContinued else { throw error }
                try await receive(.restarted)
                // Whole, since the next continuation might come too late as well.
                request.query = selection.query
                isContinued = false
                continue
            }
            guard let token = envelope.metadata.continue, !token.isEmpty else {
                return envelope.metadata.resourceVersion ?? ""
            }
            // The token says where and of which version.
            request.query = selection.query + [("limit", "\(pageSize)"), ("continue", token)]
            isContinued = true
        }
    }

    private func page<Object: KubeObject>(
        _ resource: Resource<Object>, _ request: APIRequest, receive: (ListPart<Object>) async throws -> Void
    ) async throws -> Envelope {
        let limit = transport.options.maximumObjectBytes
        return try await transport.stream(request, stall: transport.options.requestTimeout) { chunks in
            var splitter = ListSplitter(limit: limit)
            while let chunk = try await chunks.next() {
                let elements = try Self.rethrowing(request) { try splitter.feed(chunk) }
                if elements.isEmpty { continue }
                let received = try Self.rethrowing(request) {
                    try elements.map { try Received(json: $0, resource) }
                }
                try await receive(.objects(received))
            }
            let rest = try Self.rethrowing(request) { try splitter.finish() }
            do {
                return try decodeJSON(Envelope.self, from: rest)
            } catch {
                throw KubeError(.badResponse("\(error)"), request: request.name)
            }
        }
    }

    private static func rethrowing<Value>(
        _ request: APIRequest, _ body: () throws -> Value
    ) throws -> Value {
        do {
            return try body()
        } catch {
            throw KubeError(.badResponse("a list that can't be read: \(error)"), request: request.name)
        }
    }

    /// All of a list in one array, for short ones. Objects that can't be decoded are an error.
    package func all<Object: KubeObject>(
        _ resource: Resource<Object>, _ selection: ObjectSelection = ObjectSelection()
    ) async throws -> [Object] {
        var objects: [Object] = []
        _ = try await list(resource, selection) { part in
            switch part {
            case .restarted: objects = []
            case .objects(let received):
                for one in received {
                    switch one {
                    case .object(let object): objects.append(object)
                    case .undecodable(let key, _, let problem):
                        throw KubeError(
                            .badResponse("\(key): \(problem)"),
                            request: "GET \(resource.descriptor.path(namespace: selection.namespace))")
                    }
                }
            }
        }
        return objects
    }
}

extension Received {
    /// Throws if not even a name can be found.
    init(json: [UInt8], _ resource: Resource<Object>) throws(JSONFailure) {
        do {
            let object = try resource.decode(json)
            self = .object(object)
        } catch {
            let head = try decodeJSON(ObjectHead.self, from: json)
            self = .undecodable(head.key, version: head.version, problem: "\(error)")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

struct HTTPRequest {
    let method: String
    /// With the query, percent-encoded.
    let path: String
    /// JSON; nil for a request without a body.
    let body: [UInt8]?

    var name: String { "\(method) \(path)" }

    var bytes: [UInt8] {
        var head = "\(method) \(path) HTTP/1.1\r\nHost: skein\r\n"
        if let body {
            head += "Content-Type: application/json\r\nContent-Length: \(body.count)\r\n"
        }
        return Array((head + "\r\n").utf8) + (body ?? [])
    }
}

struct HTTPResponse {
    let status: Int
    let body: [UInt8]
}

/// One connection to the agent; requests follow one another, without pipelining.
final class HTTPConnection {
    private let stream: UnixStream
    /// False once the other side said so, or after anything went wrong.
    private(set) var isReusable = true

    init(socket: String, by deadline: Deadline) throws(AgentError) {
        stream = try UnixStream(connectingTo: socket, by: deadline)
    }

    /// Sends a request and reads the whole response, whatever its status. `meanwhile` runs while the other side works.
    func call(
        _ request: HTTPRequest, bodyLimit: Int, by deadline: Deadline, meanwhile: () -> Void = {}
    ) throws(AgentError) -> HTTPResponse {
        var parser = HTTPResponseParser()
        var body: [UInt8] = []
        try send(request, by: deadline)
        meanwhile()
        while !parser.isComplete {
            try receive(&parser, &body, request, bodyLimit: bodyLimit, by: deadline)
        }
        isReusable = parser.keepsAlive
        return HTTPResponse(status: parser.status, body: body)
    }

    /// Sends a request and hands on the lines of a 2xx response as they come, until `body` returns false. The deadline
    /// holds for the response's header only.
    /// - Returns: the response if it is not 2xx; nil when the stream has ended or `body` wants no more.
    func stream(
        _ request: HTTPRequest, bodyLimit: Int, by deadline: Deadline, _ body: ([UInt8]) throws -> Bool
    ) throws -> HTTPResponse? {
        var parser = HTTPResponseParser()
        var bytes: [UInt8] = []
        var lines = LineSplitter()
        var deadline = deadline
        try send(request, by: deadline)
        while !parser.isComplete {
            try receive(&parser, &bytes, request, bodyLimit: bodyLimit, by: deadline)
            guard (200..<300).contains(parser.status) else { continue }
            deadline = .never
            do {
                guard try lines.feed(bytes, to: body) else { break }
            } catch let error as HTTPError {
                throw AgentError.malformed(request: request.name, detail: error.detail)
            }
            bytes.removeAll(keepingCapacity: true)
        }
        isReusable = false
        return (200..<300).contains(parser.status) ? nil : HTTPResponse(status: parser.status, body: bytes)
    }

    private func send(_ request: HTTPRequest, by deadline: Deadline) throws(AgentError) {
        isReusable = false
        do {
            try stream.write(request.bytes, by: deadline)
        } catch .timedOut {
            throw .timedOut(request: request.name)
        } catch {
            // The agent may have refused and closed before it read everything: its reply is there to be read.
        }
    }

    /// Reads once and parses what came. A body that grows beyond `bodyLimit` is an error.
    private func receive(
        _ parser: inout HTTPResponseParser, _ body: inout [UInt8], _ request: HTTPRequest, bodyLimit: Int,
        by deadline: Deadline
    ) throws(AgentError) {
        var bytes: [UInt8] = []
        do {
            if try stream.read(into: &bytes, by: deadline) == 0 {
                try parser.end()
                return
            }
        } catch let error as UnixStream.Failure {
            switch error {
            case .timedOut: throw .timedOut(request: request.name)
            case .broken: throw .disconnected(request: request.name)
            }
        } catch {
            throw .disconnected(request: request.name)
        }
        do throws(HTTPError) {
            let used = try parser.consume(bytes[...], body: &body)
            guard used == bytes.count else { throw HTTPError(detail: "bytes follow its end") }
            guard body.count <= bodyLimit, parser.promisedLength ?? 0 <= bodyLimit else {
                throw HTTPError(detail: "it is longer than \(bodyLimit) bytes")
            }
        } catch {
            throw .malformed(request: request.name, detail: error.detail)
        }
    }
}

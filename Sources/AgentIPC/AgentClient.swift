// SPDX-License-Identifier: Apache-2.0

/// A blocking client of the agent's API: HTTP/1.1 over a Unix socket, one connection kept for several calls.
///
/// Every call is given a deadline by which it has returned or thrown ``AgentError``. All calls are idempotent, so one
/// that meets a kept connection which the agent has closed meanwhile is made again on another one.
/// Not for use by several threads at once.
package final class AgentClient {
    package static let defaultSocket = "/run/skein/agent.sock"
    /// For what needs only the agent's memory.
    package static let defaultTimeout = Duration.seconds(10)
    /// Largest body that is taken; dumps of full maps stay below.
    package static let bodyLimit = 256 << 20

    private let socket: String
    private let bodyLimit: Int
    private var connection: HTTPConnection?

    /// Connects at the first call.
    package init(socket: String = AgentClient.defaultSocket, bodyLimit: Int = AgentClient.bodyLimit) {
        self.socket = socket
        self.bodyLimit = bodyLimit
    }

    /// Makes a call and returns the body of the 2xx reply. `meanwhile` runs between the request and the reply, once, or
    /// not at all where the request can't be sent.
    package func call(
        _ method: String, _ path: String, body: [UInt8]? = nil, by deadline: Deadline, meanwhile: () -> Void = {}
    ) throws(AgentError) -> [UInt8] {
        let request = HTTPRequest(method: method, path: path, body: body)
        var hasRun = false
        func once() {
            guard !hasRun else { return }
            hasRun = true
            meanwhile()
        }
        if let kept = connection.take(), kept.isReusable {
            do {
                let response = try kept.call(request, bodyLimit: bodyLimit, by: deadline, meanwhile: once)
                return try finish(response, of: request, on: kept)
            } catch AgentError.disconnected {
                // The agent was restarted or has closed an idle connection.
            }
        }
        let fresh = try HTTPConnection(socket: socket, by: deadline)
        let response = try fresh.call(request, bodyLimit: bodyLimit, by: deadline, meanwhile: once)
        return try finish(response, of: request, on: fresh)
    }

    /// Makes a call, and reads the reply.
    func call<Reply: JSONConvertible>(
        _ method: String, _ path: String, body: [UInt8]? = nil, as type: Reply.Type = Reply.self, by deadline: Deadline,
        meanwhile: () -> Void = {}
    ) throws(AgentError) -> Reply {
        let bytes = try call(method, path, body: body, by: deadline, meanwhile: meanwhile)
        do throws(JSONError) {
            return try Reply(json: try JSONValue(parsing: bytes))
        } catch {
            throw .malformed(request: "\(method) \(path)", detail: error.description)
        }
    }

    /// Reads newline-delimited JSON until `body` returns false or the agent ends the stream.
    package func stream(_ path: String, by deadline: Deadline, _ body: ([UInt8]) throws -> Bool) throws {
        let request = HTTPRequest(method: "GET", path: path, body: nil)
        let connection = try HTTPConnection(socket: socket, by: deadline)
        let refusal = try connection.stream(request, bodyLimit: bodyLimit, by: deadline, body)
        if let refusal { throw failure(refusal) }
    }

    private func finish(
        _ response: HTTPResponse, of request: HTTPRequest, on connection: HTTPConnection
    ) throws(AgentError) -> [UInt8] {
        if connection.isReusable { self.connection = connection }
        guard (200..<300).contains(response.status) else { throw failure(response) }
        return response.body
    }

    private func failure(_ response: HTTPResponse) -> AgentError {
        if let body = try? ErrorBody(json: JSONValue(parsing: response.body)) {
            return .api(status: response.status, error: body.error)
        }
        let text = "HTTP status \(response.status)"
        let error = APIError(code: "http\(response.status)", message: text, retryable: response.status == 503)
        return .api(status: response.status, error: error)
    }
}

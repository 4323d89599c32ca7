// SPDX-License-Identifier: Apache-2.0
import Foundation
import HTTPTypes
import Hummingbird
import HummingbirdCore
import HummingbirdTLS
import Logging
import NIOCore
import NIOSSL
import Synchronization

/// What came in.
struct FakeRequest: Sendable {
    let method: String
    let path: String
    let query: [String: String]
    /// By lower-case name.
    let headers: [String: String]
    let body: [UInt8]

    var isWatch: Bool { query["watch"] == "1" }
    var authorization: String? { headers["authorization"] }

    /// The body as JSON.
    var json: JSONValue { (try? JSONDecoder().decode(JSONValue.self, from: Data(body))) ?? .null }
}

/// What goes out.
struct FakeResponse: Sendable {
    typealias Stream = @Sendable (_ write: (String) async throws -> Void) async throws -> Void

    var status = 200
    var headers: [String: String] = [:]
    /// Sent in chunks, as it is written. If it throws, the connection breaks.
    var stream: Stream

    static func json(_ text: String, status: Int = 200, headers: [String: String] = [:]) -> FakeResponse {
        FakeResponse(status: status, headers: headers) { try await $0(text) }
    }

    static func chunks(_ stream: @escaping Stream) -> FakeResponse {
        FakeResponse(stream: stream)
    }

    /// A refusal, as the API server words it.
    static func status(
        _ code: Int, _ reason: String, _ message: String = "no", headers: [String: String] = [:], details: String = "{}"
    ) -> FakeResponse {
        json(
            """
            {"kind":"Status","apiVersion":"v1","status":"Failure","message":"\(message)","reason":"\(reason)",\
            "details":\(details),"code":\(code)}
            """, status: code, headers: headers)
    }
}

/// The connection is to break here.
struct Abort: Error {}

/// An API server on loopback that answers as the test says.
final class FakeServer: Sendable {
    let port: Int
    private let log: RequestLog

    fileprivate init(port: Int, log: RequestLog) {
        self.port = port
        self.log = log
    }

    /// All so far, in the order in which they came.
    var requests: [FakeRequest] { log.requests.withLock { $0 } }

    @discardableResult
    static func with<Value>(
        tls: TLSConfiguration? = nil, answer: @escaping @Sendable (FakeRequest) async throws -> FakeResponse,
        _ body: (FakeServer) async throws -> Value
    ) async throws -> Value {
        let log = RequestLog()
        let (ports, running) = AsyncStream.makeStream(of: Int.self)
        var logger = Logger(label: "fake")
        logger.logLevel = .critical
        let responder = CallbackResponder<BasicRequestContext> { request, _ in
            let received = try await FakeRequest(request)
            log.requests.withLock { $0.append(received) }
            return Response(try await answer(received))
        }
        let application = Application(
            responder: responder, server: try tls.map { try .tls(.http1(), tlsConfiguration: $0) } ?? .http1(),
            configuration: ApplicationConfiguration(address: .hostname("127.0.0.1", port: 0)),
            onServerRunning: { running.yield($0.localAddress?.port ?? 0) }, logger: logger)
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { running.finish() }
                try await application.run()
            }
            defer { group.cancelAll() }
            for await port in ports {
                return try await body(FakeServer(port: port, log: log))
            }
            try await group.next()
            throw Abort()
        }
    }
}

private final class RequestLog: Sendable {
    let requests = Mutex<[FakeRequest]>([])
}

extension FakeRequest {
    fileprivate init(_ request: Request) async throws {
        method = request.method.rawValue
        path = request.uri.path
        query = Dictionary(
            request.uri.queryParameters.map { (String($0.key), String($0.value)) }, uniquingKeysWith: { $1 })
        headers = Dictionary(
            request.headers.map { ($0.name.canonicalName, $0.value) }, uniquingKeysWith: { $1 })
        body = Array(try await request.body.collect(upTo: 1 << 24).readableBytesView)
    }
}

extension Response {
    fileprivate init(_ fake: FakeResponse) {
        var headers: HTTPFields = [.contentType: "application/json"]
        for (name, value) in fake.headers {
            if let name = HTTPField.Name(name) { headers[name] = value }
        }
        self.init(
            status: HTTPResponse.Status(code: fake.status), headers: headers,
            body: ResponseBody { writer in
                // One stream writes it, one piece after the other.
                nonisolated(unsafe) var held = writer
                try await fake.stream { text in unsafe try await held.write(ByteBuffer(string: text)) }
                unsafe try await held.finish(nil)
            })
    }
}

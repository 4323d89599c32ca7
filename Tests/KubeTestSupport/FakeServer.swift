// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOHTTP1
import NIOPosix
package import NIOSSL
import Synchronization

/// An API server on loopback that answers as the test says.
///
/// Right on NIO's channels: servers whose connections are handed to tasks trap when they stop while one is on its way.
package final class FakeServer: Sendable {
    package typealias Answer = @Sendable (FakeRequest) async throws -> FakeResponse

    private struct State {
        var requests: [FakeRequest] = []
        var connections: [ObjectIdentifier: any Channel] = [:]
        var work: [Task<Void, Never>] = []
        var isStopped = false
    }

    private let state = Mutex(State())
    private let answer: Answer
    private let listening = Mutex<(any Channel)?>(nil)

    private init(answer: @escaping Answer) {
        self.answer = answer
    }

    /// All so far, in the order in which they came.
    package var requests: [FakeRequest] { state.withLock { $0.requests } }

    package var port: Int { listening.withLock { $0?.localAddress?.port ?? 0 } }

    @discardableResult
    package static func with<Value>(
        tls: TLSConfiguration? = nil, answer: @escaping Answer, _ body: (FakeServer) async throws -> Value
    ) async throws -> Value {
        let server = FakeServer(answer: answer)
        try await server.start(tls: tls)
        do {
            let value = try await body(server)
            await server.stop()
            return value
        } catch {
            await server.stop()
            throw error
        }
    }

    private func start(tls: TLSConfiguration?) async throws {
        let context = try tls.map { try NIOSSLContext(configuration: $0) }
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    if let context { try pipeline.addHandler(NIOSSLServerHandler(context: context)) }
                    try pipeline.configureHTTPServerPipeline()
                    try pipeline.addHandler(FakeConnection(self))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        listening.withLock { $0 = channel }
    }

    private func stop() async {
        try? await listening.withLock { $0 }?.close()
        let (connections, work) = state.withLock { state in
            state.isStopped = true
            return (Array(state.connections.values), state.work)
        }
        for task in work { task.cancel() }
        for connection in connections { try? await connection.close() }
        for task in work { await task.value }
    }

    fileprivate func opened(_ channel: any Channel) {
        let isStopped = state.withLock { state in
            state.connections[ObjectIdentifier(channel)] = channel
            return state.isStopped
        }
        if isStopped { channel.close(promise: nil) }
    }

    fileprivate func closed(_ channel: any Channel) {
        state.withLock { _ = $0.connections.removeValue(forKey: ObjectIdentifier(channel)) }
    }

    /// Answers a request on its connection, which breaks if the answer fails.
    fileprivate func serve(_ request: FakeRequest, on channel: any Channel) -> Task<Void, Never> {
        state.withLock { state in
            state.requests.append(request)
            let task = Task { [answer] in
                do {
                    let response = try await answer(request)
                    try await channel.writeAndFlush(FakePart.head(response.status, response.headers))
                    try await response.stream { try await channel.writeAndFlush(FakePart.body($0)) }
                    try await channel.writeAndFlush(FakePart.end)
                } catch {
                    try? await channel.close()
                }
            }
            state.work.append(task)
            return task
        }
    }
}

/// What of a response is written at once.
private enum FakePart: Sendable {
    case head(Int, [String: String])
    case body(String)
    case end
}

private final class FakeConnection: ChannelDuplexHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundIn = FakePart
    typealias OutboundOut = HTTPServerResponsePart

    private let server: FakeServer
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    private var work: Task<Void, Never>?

    init(_ server: FakeServer) {
        self.server = server
    }

    func channelActive(context: ChannelHandlerContext) {
        server.opened(context.channel)
    }

    func channelInactive(context: ChannelHandlerContext) {
        work?.cancel()
        server.closed(context.channel)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            body = []
        case .body(let buffer): body.append(contentsOf: buffer.readableBytesView)
        case .end:
            guard let head else { return }
            work = server.serve(FakeRequest(head, body: body), on: context.channel)
        }
    }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let part: HTTPServerResponsePart =
            switch unwrapOutboundIn(data) {
            case .head(let status, let fields):
                .head(
                    HTTPResponseHead(
                        version: .http1_1, status: HTTPResponseStatus(statusCode: status),
                        headers: HTTPHeaders([("content-type", "application/json")] + fields.map { ($0.key, $0.value) })
                    ))
            case .body(let text): .body(.byteBuffer(ByteBuffer(string: text)))
            case .end: .end(nil)
            }
        context.write(wrapOutboundOut(part), promise: promise)
    }
}

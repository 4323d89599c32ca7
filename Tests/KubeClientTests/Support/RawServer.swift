// SPDX-License-Identifier: Apache-2.0
import NIOCore
import NIOPosix

/// A server that is no good.
enum RawBehaviour: Sendable {
    /// Takes what comes and says nothing.
    case silent
    /// Breaks the connection as soon as something comes.
    case closing
}

@discardableResult
func withRawServer<Value>(_ behaviour: RawBehaviour, _ body: (_ port: Int) async throws -> Value) async throws -> Value
{
    let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
        .childChannelInitializer { channel in
            channel.eventLoop.makeCompletedFuture {
                try channel.pipeline.syncOperations.addHandler(RawHandler(behaviour))
            }
        }
        .bind(host: "127.0.0.1", port: 0).get()
    do {
        let value = try await body(channel.localAddress?.port ?? 0)
        try await channel.close()
        return value
    } catch {
        try await channel.close()
        throw error
    }
}

private final class RawHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let behaviour: RawBehaviour

    init(_ behaviour: RawBehaviour) {
        self.behaviour = behaviour
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if behaviour == .closing { context.close(promise: nil) }
    }
}

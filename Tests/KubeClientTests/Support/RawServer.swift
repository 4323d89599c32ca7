// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import NIOCore
import NIOPosix

/// A server that is no good.
enum RawBehaviour: Sendable {
    /// Takes what comes and says nothing.
    case silent
    /// Breaks the connection as soon as something comes.
    case closing
    /// Answers with `head` and then `piece` again and again, at most `limit` times. `written` counts the pieces that the
    /// kernel has taken; the next one is written only then, so nothing waits on the server's side.
    case flooding(head: String, piece: String, limit: Int, written: Counter)
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
        switch behaviour {
        case .silent: break
        case .closing: context.close(promise: nil)
        case .flooding(let head, let piece, let limit, let written):
            context.writeAndFlush(NIOAny(ByteBuffer(string: head)), promise: nil)
            Self.flood(context.channel, ByteBuffer(string: piece), limit: limit, written)
        }
    }

    private static func flood(_ channel: any Channel, _ piece: ByteBuffer, limit: Int, _ written: Counter) {
        channel.writeAndFlush(piece).whenComplete { result in
            guard case .success = result, written.add(1) < limit else { return channel.close(promise: nil) }
            channel.eventLoop.execute { flood(channel, piece, limit: limit, written) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import AsyncAlgorithms
import AsyncHTTPClient
import NIOCore

/// The bytes of a response as they come. They are read from the network only as fast as they are taken.
struct ChunkReader: ~Copyable {
    private var iterator: AsyncThrowingChannel<ByteBuffer, any Error>.Iterator

    fileprivate init(_ channel: AsyncThrowingChannel<ByteBuffer, any Error>) {
        iterator = channel.makeAsyncIterator()
    }

    /// nil at the end of the body. Throws ``KubeError``.
    mutating func next() async throws -> [UInt8]? {
        let buffer = try await iterator.next(isolation: #isolation)
        // A cancelled channel ends like one that is complete.
        try Task.checkCancellation()
        return buffer.map { Array($0.readableBytesView) }
    }
}

extension Transport {
    /// All of a response, at most `ClientOptions.maximumObjectBytes`, within `ClientOptions.requestTimeout`.
    func call(_ request: APIRequest) async throws -> [UInt8] {
        let response = try await open(request)
        let limit = options.maximumObjectBytes
        do {
            return try await withTimeLimit(options.requestTimeout) {
                Array(try await response.body.collect(upTo: limit).readableBytesView)
            }
        } catch {
            throw bodyError(error, request, limit: options.requestTimeout)
        }
    }

    /// Hands the body of a response to `body` while it comes in. If nothing comes for `stall`, it ends with
    /// `KubeError.Cause.timedOut`; the time that `body` itself takes does not count.
    func stream<Value>(
        _ request: APIRequest, stall: Duration, _ body: (inout ChunkReader) async throws -> Value
    ) async throws -> Value {
        let response = try await open(request)
        let channel = AsyncThrowingChannel<ByteBuffer, any Error>()
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                do {
                    try await Self.pump(response.body, into: channel, stall: stall)
                    channel.finish()
                } catch {
                    channel.fail(self.bodyError(error, request, limit: stall))
                }
            }
            defer { group.cancelAll() }
            var reader = ChunkReader(channel)
            return try await body(&reader)
        }
    }

    private static func pump(
        _ body: HTTPClientResponse.Body, into channel: AsyncThrowingChannel<ByteBuffer, any Error>, stall: Duration
    ) async throws {
        let timer = IdleTimer(limit: stall)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await timer.run() }
            group.addTask {
                for try await chunk in body {
                    timer.pause()
                    await channel.send(chunk)
                    timer.touch()
                }
            }
            defer { group.cancelAll() }
            // The timer only throws; so whatever returns is the end of the body.
            try await group.next()
        }
    }

    private func bodyError(_ error: any Error, _ request: APIRequest, limit: Duration) -> any Error {
        if Task.isCancelled { return CancellationError() }
        switch error {
        case is TimeLimitExceeded:
            abandonServer()
            return KubeError(.timedOut(limit), request: request.name)
        case is NIOTooManyBytesError:
            return KubeError(
                .badResponse("more than \(options.maximumObjectBytes) bytes"), request: request.name)
        default:
            return KubeError(.interrupted(TransportProblem(error, timeout: limit).text), request: request.name)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Hummingbird
import Kernel
package import Logging
import ServiceLifecycle

/// Serves the agent's API on a Unix socket that only root may use.
///
/// The socket appears at its path when it is ready, in the place of one that an earlier agent left; so whoever can connect
/// is answered.
package struct APIServer: Service {
    private let agent: Agent
    private let broadcaster: EventBroadcaster
    private let socket: String
    private let clock: AgentClock
    private let logger: Logger
    private let ready: @Sendable () -> Void

    /// - Parameters:
    ///   - socket: its path; `<path>.new` is used on the way there.
    ///   - ready: called when clients can connect.
    package init(
        agent: Agent, broadcaster: EventBroadcaster, socket: String, clock: AgentClock = .system, logger: Logger,
        ready: @escaping @Sendable () -> Void = {}
    ) {
        self.agent = agent
        self.broadcaster = broadcaster
        self.socket = socket
        self.clock = clock
        self.logger = logger
        self.ready = ready
    }

    package func run() async throws {
        while try await serve() == .socketLost {
            logger.warning("the API's socket was removed: it is made again", metadata: ["socket": "\(socket)"])
        }
    }

    private enum End { case stopped, socketLost }

    /// Serves until it is told to stop, or until nobody can reach it any more.
    private func serve() async throws -> End {
        let beginning = socket + ".new"
        try AtomicFile.remove(beginning)
        let published = Publication()
        let application = Application(
            router: router(),
            configuration: ApplicationConfiguration(
                address: .unixDomainSocket(path: beginning), serverName: nil, backlog: 1_024),
            onServerRunning: { _ in
                do {
                    try retrying("chmod", beginning) { unsafe chmod(beginning, 0o600) }
                    let identity = try FileIdentity(beginning)
                    try retrying("rename", socket) { unsafe rename(beginning, socket) }
                    published.succeeded(identity)
                    ready()
                } catch {
                    published.failed(error)
                }
            }, logger: quiet(logger))
        let end = try await withThrowingTaskGroup(of: End.self) { group in
            group.addTask {
                try await application.run()
                return .stopped
            }
            group.addTask {
                guard let identity = try await published.outcome() else { return .stopped }
                return try await waitUntilLost(identity) ? .socketLost : .stopped
            }
            // Whichever comes first; when it is told to stop, that is the application.
            defer { group.cancelAll() }
            return try await group.next() ?? .stopped
        }
        // Nobody is to find a socket without an agent behind it.
        try AtomicFile.remove(socket)
        return end
    }

    /// Until something else than the socket is at its path. False: cancelled.
    private func waitUntilLost(_ identity: FileIdentity) async throws -> Bool {
        while !Task.isCancelled {
            try? await Task.sleep(for: .seconds(1))
            do throws(SystemError) {
                if try FileIdentity(socket) != identity { return true }
            } catch {
                if error.errno == .noEntry || error.errno == .notDirectory { return true }
            }
        }
        return false
    }

    private func router() -> Router<APIContext> {
        let router = Router(context: APIContext.self)
        router.add(middleware: APIErrorMiddleware(logger: logger))
        EndpointRoutes(agent: agent).add(to: router)
        StatusRoutes(agent: agent).add(to: router)
        PolicyRoutes(agent: agent).add(to: router)
        MonitorRoutes(broadcaster: broadcaster, clock: clock).add(to: router)
        return router
    }

    /// The server's own remarks are not the agent's.
    private func quiet(_ logger: Logger) -> Logger {
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        return logger
    }
}

/// Whether the socket has got its name.
private final class Publication: Sendable {
    private let stream: AsyncThrowingStream<FileIdentity, any Error>
    private let continuation: AsyncThrowingStream<FileIdentity, any Error>.Continuation

    init() {
        (stream, continuation) = AsyncThrowingStream.makeStream(of: FileIdentity.self)
    }

    func succeeded(_ identity: FileIdentity) {
        continuation.yield(identity)
        continuation.finish()
    }

    func failed(_ error: any Error) { continuation.finish(throwing: error) }

    /// Waits for the answer: which file it is; nil when it was given up.
    func outcome() async throws -> FileIdentity? {
        for try await identity in stream { return identity }
        return nil
    }
}

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
                    try retrying("rename", socket) { unsafe rename(beginning, socket) }
                    published.succeeded()
                    ready()
                } catch {
                    published.failed(error)
                }
            }, logger: quiet(logger))
        let problem = try await withThrowingTaskGroup(of: (any Error)?.self) { group in
            group.addTask {
                try await application.run()
                return nil
            }
            group.addTask { await published.problem() }
            var first: (any Error)?
            while let result = try await group.next() {
                if let result {
                    first = result
                    group.cancelAll()
                }
            }
            return first
        }
        // Nobody is to find a socket without an agent behind it.
        try AtomicFile.remove(socket)
        if let problem { throw problem }
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
    private let stream: AsyncStream<any Error>
    private let continuation: AsyncStream<any Error>.Continuation

    init() {
        (stream, continuation) = AsyncStream.makeStream(of: (any Error).self)
    }

    func succeeded() { continuation.finish() }

    func failed(_ error: any Error) {
        continuation.yield(error)
        continuation.finish()
    }

    /// Waits for the answer: nil when it worked, or was given up.
    func problem() async -> (any Error)? {
        for await error in stream { return error }
        return nil
    }
}

// SPDX-License-Identifier: Apache-2.0
package import Logging
import ServiceLifecycle

/// Runs something in one process of a cluster at a time, by means of a Lease.
package struct LeaderElector: Sendable {
    /// Settings that contradict each other.
    package struct BadSettings: Error, Equatable, CustomStringConvertible {
        package let description: String
    }

    private enum Ended: Sendable {
        case renewing(LeaderSession)
        case body((any Error)?)
    }

    let client: APIClient
    let lease: ObjectKey
    let settings: LeaderElectionSettings
    let logger: Logger

    /// `lease` is created when it isn't there.
    package init(
        _ client: APIClient, lease: ObjectKey, settings: LeaderElectionSettings, logger: Logger
    ) throws(BadSettings) {
        if let problem = settings.problem { throw BadSettings(description: problem) }
        self.client = client
        self.lease = lease
        self.settings = settings
        var logger = logger
        logger[metadataKey: "kube.lease"] = "\(lease)"
        self.logger = logger
    }

    /// Waits until we lead, then runs `body`. When the lease is lost, `body` is cancelled, and run again once we lead
    /// again; it has to end soon, for others may lead after `leaseDuration - renewDeadline`. Returns when `body` returns,
    /// or when it is cancelled or told to shut down; the lease is released then, after `body` has ended. Throws what
    /// `body` throws, but not its `CancellationError`.
    package func run(whileLeading body: @escaping @Sendable () async throws -> Void) async throws {
        try await cancelWhenGracefulShutdown {
            do {
                var session = LeaderSession(self)
                while true {
                    do {
                        try await session.acquire()
                    } catch {
                        await session.release()
                        throw error
                    }
                    logger.info("we lead", metadata: ["kube.identity": "\(settings.identity)"])
                    if try await lead(&session, body) { return }
                    logger.warning("we lead no more", metadata: ["kube.identity": "\(settings.identity)"])
                }
            } catch is CancellationError {
                // As asked.
            }
        }
    }

    /// True if `body` returned, false if the lease is lost; `body` has ended in any case.
    private func lead(
        _ session: inout LeaderSession, _ body: @escaping @Sendable () async throws -> Void
    ) async throws -> Bool {
        let started = session
        let (held, result) = await withTaskGroup(of: Ended.self) { group in
            group.addTask {
                var session = started
                await session.renew()
                return .renewing(session)
            }
            group.addTask {
                do {
                    try await body()
                    return .body(nil)
                } catch {
                    return .body(error)
                }
            }
            var held = started
            var result: Result<Bool, any Error> = .success(false)
            var isFirst = true
            for await ended in group {
                switch ended {
                case .renewing(let session): held = session
                // What a cancelled body says does not matter.
                case .body(let error) where isFirst: result = error.map { .failure($0) } ?? .success(true)
                case .body: break
                }
                isFirst = false
                group.cancelAll()
            }
            return (held, result)
        }
        session = held
        await session.release()
        try Task.checkCancellation()
        return try result.get()
    }
}

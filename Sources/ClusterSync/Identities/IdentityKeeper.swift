// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Logging
import Model
import Synchronization

/// Sees to it that the identities of this node's endpoints stay what they are, whoever deletes the objects.
final class IdentityKeeper: Sendable {
    private struct State {
        var used: Set<IdentityNumber> = []
        /// What the numbers in use stand for, as the cluster said last.
        var known: [IdentityNumber: SecurityLabels] = [:]
    }

    private let directory: IdentityDirectory
    private let store: ClusterStore
    private let settings: ClusterSettings
    private let logger: Logger
    private let state = Mutex(State())

    init(_ directory: IdentityDirectory, _ store: ClusterStore, _ settings: ClusterSettings, logger: Logger) {
        self.directory = directory
        self.store = store
        self.settings = settings
        self.logger = logger
    }

    /// The numbers that this node's endpoints have from now on.
    func use(_ numbers: Set<IdentityNumber>) {
        state.withLock { state in
            state.used = numbers
            state.known = state.known.filter { numbers.contains($0.key) }
        }
        _ = look()
    }

    /// Runs until cancelled.
    func run() async throws {
        var generator = SystemRandomNumberGenerator()
        var failures = 0
        while true {
            let gone = look()
            do {
                for number in try await directory.restore(gone) {
                    // Nobody can put this right from here but who gives the endpoint another number.
                    logger.error(
                        "an identity in use stands for other labels now", metadata: ["identity": "\(number)"])
                    state.withLock { $0.known[number] = nil }
                }
                failures = 0
            } catch let error as KubeError {
                failures += 1
                logger.warning("an identity in use could not be made again yet", metadata: ["error": "\(error)"])
                try await Task.sleep(for: settings.backoff.delay(attempt: failures, using: &generator))
                continue
            }
            // What was made again is shown soon.
            try await store.identities.wait(atMost: gone.isEmpty ? .seconds(60) : .seconds(1))
        }
    }

    /// Learns what the numbers in use stand for. Those of which it was known, and that are gone.
    private func look() -> [IdentityNumber: SecurityLabels] {
        let used = state.withLock { $0.used }
        let (there, isLive) = store.read { state in
            var there: [IdentityNumber: SecurityLabels] = [:]
            for number in used { there[number] = state.identities.labels.values[number] }
            return (there, state.identities.labels.isLive)
        }
        return state.withLock { state in
            for (number, labels) in there where state.used.contains(number) && state.known[number] == nil {
                state.known[number] = labels
            }
            return isLive ? state.known.filter { there[$0.key] == nil } : [:]
        }
    }
}

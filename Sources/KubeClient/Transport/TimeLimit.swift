// SPDX-License-Identifier: Apache-2.0
import Synchronization

struct TimeLimitExceeded: Error, Equatable {
    let limit: Duration
}

/// Cancels `body` when `limit` is over; then throws ``TimeLimitExceeded``.
func withTimeLimit<Value: Sendable>(
    _ limit: Duration, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    try await withThrowingTaskGroup(of: Value?.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: limit)
            return nil
        }
        defer { group.cancelAll() }
        guard let first = try await group.next(), let value = first else { throw TimeLimitExceeded(limit: limit) }
        return value
    }
}

/// Says when nothing has happened for too long.
final class IdleTimer: Sendable {
    private struct State {
        var last = ContinuousClock.now
        /// Waiting for somebody else than the server.
        var isPaused = false
    }

    private let limit: Duration
    private let state = Mutex(State())

    init(limit: Duration) {
        self.limit = limit
    }

    /// Something happened.
    func touch() {
        state.withLock { $0 = State() }
    }

    /// What takes long from here on, until ``touch()``, is not the server.
    func pause() {
        state.withLock { $0.isPaused = true }
    }

    /// Throws ``TimeLimitExceeded`` once the limit is over; returns never.
    func run() async throws {
        while true {
            let state = state.withLock { $0 }
            let deadline = (state.isPaused ? .now : state.last) + limit
            if deadline <= .now { throw TimeLimitExceeded(limit: limit) }
            try await Task.sleep(until: deadline, clock: .continuous)
        }
    }
}

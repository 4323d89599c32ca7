// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Wakes those who wait. Fired while nobody waits, it wakes the next one at once.
///
/// No AsyncStream, since one of those ends for good when a task that waits for it is cancelled.
final class Signal: Sendable {
    private struct State {
        var isFired = false
        var isFinished = false
        var waiters: [UInt64: CheckedContinuation<Bool, Never>] = [:]
        /// Before they came to wait.
        var cancelled: Set<UInt64> = []
        var nextWaiter: UInt64 = 0
    }

    private let state = Mutex(State())

    func fire() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            if state.waiters.isEmpty { state.isFired = true }
            return state.waiters.values.map { $0 }
        }
        for waiter in waiters { waiter.resume(returning: true) }
    }

    /// From now on nobody waits.
    func finish() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            state.isFinished = true
            return state.waiters.values.map { $0 }
        }
        for waiter in waiters { waiter.resume(returning: false) }
    }

    /// False when it is finished, or the task is cancelled.
    func wait() async -> Bool {
        let number = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        let isFired = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let answer: Bool? = state.withLock { state in
                    if state.isFinished || state.cancelled.contains(number) { return false }
                    if state.isFired {
                        state.isFired = false
                        return true
                    }
                    state.waiters[number] = continuation
                    return nil
                }
                if let answer { continuation.resume(returning: answer) }
            }
        } onCancel: {
            let waiter = state.withLock { state in
                let waiter = state.waiters.removeValue(forKey: number)
                if waiter == nil { state.cancelled.insert(number) }
                return waiter
            }
            waiter?.resume(returning: false)
        }
        state.withLock { _ = $0.cancelled.remove(number) }
        return isFired
    }

    /// Returns after `limit` at the latest. Throws `CancellationError`.
    func wait(atMost limit: Duration) async throws {
        await withTaskGroup { group in
            group.addTask { _ = await self.wait() }
            group.addTask { try? await Task.sleep(for: limit) }
            await group.next()
            group.cancelAll()
        }
        try Task.checkCancellation()
    }
}

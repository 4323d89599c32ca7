// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Hands lines of events to any number of readers, none of which can hold up the datapath or another reader: each has
/// a buffer of its own with a limit, and one that is slow loses lines and is told how many.
package final class EventBroadcaster: Sendable {
    private struct Reader {
        var lines: [String] = []
        var lost: UInt64 = 0
        var waiter: CheckedContinuation<Void, Never>?
    }

    private struct State {
        var readers: [UInt64: Reader] = [:]
        var nextID: UInt64 = 1
        var finished = false
    }

    /// What a reader gets at once: lines in order, and how many were lost behind the last of them.
    package struct Batch: Sendable, Equatable {
        package let lost: UInt64
        package let lines: [String]
    }

    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: lines that wait for one reader at most.
    package init(limit: Int = 4_096) {
        self.limit = limit
    }

    /// Whether anybody listens; without readers events need not be made at all.
    package var hasReaders: Bool { state.withLock { !$0.readers.isEmpty } }

    /// Queues a line for every reader.
    package func publish(_ line: String) { publish([line]) }

    /// Queues lines for every reader, none of whom sees only the first of them.
    package func publish(_ lines: [String]) {
        let waiters = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            var waiters: [CheckedContinuation<Void, Never>] = []
            for id in state.readers.keys {
                let room = max(0, limit - (state.readers[id]?.lines.count ?? limit))
                state.readers[id]?.lines.append(contentsOf: lines.prefix(room))
                state.readers[id]?.lost += UInt64(max(0, lines.count - room))
                if let waiter = state.readers[id]?.waiter.take() { waiters.append(waiter) }
            }
            return waiters
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Ends every reader, now and later; what is buffered is still read.
    package func finish() {
        let waiters = state.withLock { state in
            state.finished = true
            return state.readers.keys.compactMap { state.readers[$0]?.waiter.take() }
        }
        for waiter in waiters { waiter.resume() }
    }

    /// Joins a reader. It must leave again with `unsubscribe(_:)`.
    package func subscribe() -> UInt64 {
        state.withLock { state in
            let id = state.nextID
            state.nextID += 1
            state.readers[id] = Reader()
            return id
        }
    }

    package func unsubscribe(_ id: UInt64) {
        state.withLock { $0.readers.removeValue(forKey: id)?.waiter }?.resume()
    }

    /// The lines that wait for a reader, all at once; waits for the first of them. nil when the broadcaster has
    /// finished, the reader has left, or the task is cancelled. One call at a time for each reader.
    package func next(for id: UInt64) async -> Batch? {
        while true {
            let (batch, ended) = take(id)
            if let batch { return batch }
            if ended || Task.isCancelled { return nil }
            await waitForLine(id)
        }
    }

    private func take(_ id: UInt64) -> (Batch?, ended: Bool) {
        state.withLock { state in
            guard let reader = state.readers[id] else { return (nil, true) }
            if reader.lines.isEmpty { return (nil, state.finished) }
            // Lines that are lost while the buffer is full come after what is in it.
            state.readers[id]?.lines = []
            state.readers[id]?.lost = 0
            return (Batch(lost: reader.lost, lines: reader.lines), false)
        }
    }

    private func waitForLine(_ id: UInt64) async {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let resumeNow = state.withLock { state in
                    guard let reader = state.readers[id], reader.lines.isEmpty, !state.finished, !Task.isCancelled
                    else { return true }
                    state.readers[id]?.waiter = continuation
                    return false
                }
                if resumeNow { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.readers[id]?.waiter.take() }?.resume()
        }
    }
}

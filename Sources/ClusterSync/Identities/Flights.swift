// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Lets one of those who want the same thing get it, while the others wait for it.
final class Flights<Key: Hashable & Sendable>: Sendable {
    private let signals = Mutex<[Key: [Signal]]>([:])

    /// Runs `body` if nobody does it for this key now, and returns what it gave. Otherwise waits until that one is done,
    /// and returns nil: look again. Throws `CancellationError`, or what `body` throws.
    func join<Value: Sendable>(_ key: Key, _ body: () async throws -> Value) async throws -> Value? {
        let signal = Signal()
        let isFirst = signals.withLock { signals in
            guard signals[key] == nil else {
                signals[key]?.append(signal)
                return false
            }
            signals[key] = []
            return true
        }
        guard isFirst else {
            _ = await signal.wait()
            try Task.checkCancellation()
            return nil
        }
        defer {
            let waiting = signals.withLock { $0.removeValue(forKey: key) ?? [] }
            for signal in waiting { signal.fire() }
        }
        return try await body()
    }
}

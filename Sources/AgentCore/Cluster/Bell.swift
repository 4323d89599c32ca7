// SPDX-License-Identifier: Apache-2.0
import ServiceLifecycle

/// Wakes those who wait in an actor for it to change.
struct Bell {
    private var waiters: [UInt64: AsyncStream<Void>.Continuation] = [:]
    private var last: UInt64 = 0

    /// Everybody looks again.
    func ring() {
        for waiter in waiters.values { waiter.yield() }
    }

    /// To be listened to from the moment on at which it is made.
    fileprivate mutating func add() -> (id: UInt64, stream: AsyncStream<Void>) {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        last += 1
        waiters[last] = continuation
        return (last, stream)
    }

    fileprivate mutating func remove(_ id: UInt64) {
        waiters.removeValue(forKey: id)?.finish()
    }

    /// Ends the waiting of one.
    fileprivate func stop(_ id: UInt64) {
        waiters[id]?.finish()
    }
}

extension Agent {
    /// Returns when the bell has rung since the call was made, at the deadline, or when the agent or the task ends.
    /// Everything may be different then.
    ///
    /// - Returns: whether it makes sense to look again.
    func waitForChange(until deadline: ContinuousClock.Instant) async -> Bool {
        guard !Task.isCancelled, deadline > .now else { return false }
        let (id, stream) = bell.add()
        defer { bell.remove(id) }
        return await withTaskGroup(of: Void.self) { group in
            group.addTask { [self] in
                try? await Task.sleep(until: deadline)
                await stopWaiting(id)
            }
            var rang = false
            for await _ in stream.cancelOnGracefulShutdown() {
                rang = true
                break
            }
            group.cancelAll()
            return rang
        }
    }

    private func stopWaiting(_ id: UInt64) { bell.stop(id) }

    /// Returns when the node is ready (`Conditions.unready`), or the agent or the task ends.
    /// - Returns: whether it is ready.
    package func waitUntilReady() async -> Bool {
        while !conditions.unready.isEmpty {
            let rang = await waitForChange(until: .now + .seconds(3_600))
            if !rang, Task.isCancelled || Task.isShuttingDownGracefully { return false }
        }
        return true
    }
}

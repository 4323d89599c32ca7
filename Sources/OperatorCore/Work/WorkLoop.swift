// SPDX-License-Identifier: Apache-2.0
import Synchronization

/// Runs a machine: does what it says, several things at a time, with a clock.
///
/// What the machine is told comes from anywhere, and costs no queue: it is told at once.
package final class WorkLoop<Machine: WorkMachine>: Sendable {
    private struct State {
        var machine: Machine
        var running = 0
        /// For when there are tasks that sleep.
        var alarms: Set<Duration> = []
    }

    private let state: Mutex<State>
    private let limit: Int
    private let start = ContinuousClock.now
    private let pokes: AsyncStream<Void>
    private let poke: AsyncStream<Void>.Continuation

    /// `limit`: how many things are done at a time.
    package init(_ machine: Machine, limit: Int) {
        state = Mutex(State(machine: machine))
        self.limit = limit
        (pokes, poke) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        poke.yield()
    }

    private var now: Duration { start.duration(to: .now) }

    /// Tells the machine something.
    package func update(_ body: (inout Machine, _ now: Duration) -> Void) {
        state.withLock { body(&$0.machine, now) }
        poke.yield()
    }

    package func read<Value: Sendable>(_ body: (Machine) -> Value) -> Value {
        state.withLock { body($0.machine) }
    }

    /// Runs until it is cancelled; all that it began has ended then. Once only.
    ///
    /// - Parameter perform: nil if it was cancelled: then nothing is told.
    package func run(_ perform: @escaping @Sendable (Machine.Work) async -> Machine.Outcome?) async {
        await withDiscardingTaskGroup { group in
            for await _ in pokes {
                while let work = take() {
                    group.addTask {
                        let outcome = await perform(work)
                        self.finished(work, outcome)
                    }
                }
                if let alarm = nextAlarm() {
                    group.addTask {
                        try? await Task.sleep(until: self.start + alarm, clock: .continuous)
                        self.state.withLock { _ = $0.alarms.remove(alarm) }
                        self.poke.yield()
                    }
                }
            }
            group.cancelAll()
        }
    }

    private func take() -> Machine.Work? {
        let now = now
        return state.withLock { state in
            guard state.running < limit, let work = state.machine.next(now: now) else { return nil }
            state.running += 1
            return work
        }
    }

    private func finished(_ work: Machine.Work, _ outcome: Machine.Outcome?) {
        let now = now
        state.withLock { state in
            state.running -= 1
            if let outcome { state.machine.done(work, outcome, now: now) }
        }
        poke.yield()
    }

    /// nil if nothing is due, or if somebody wakes us early enough.
    private func nextAlarm() -> Duration? {
        state.withLock { state in
            // Who is busy asks again when something is done.
            guard state.running < limit, let wake = state.machine.wake,
                !state.alarms.contains(where: { $0 <= wake })
            else { return nil }
            state.alarms.insert(wake)
            return wake
        }
    }
}

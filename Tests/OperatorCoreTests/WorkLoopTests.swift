// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import Synchronization
import Testing

@testable import OperatorCore

@Suite struct WorkLoopTests {
    /// Numbers, each to be done when it is due.
    private struct Numbers: WorkMachine {
        var timetable = Timetable<Int>()
        var finished: [Int] = []

        var wake: Duration? { timetable.first }

        mutating func next(now: Duration) -> Int? { timetable.popDue(now: now) }

        mutating func done(_ work: Int, _ outcome: Bool, now: Duration) { finished.append(work) }
    }

    @Test func `it does what is due, not more at a time than it may, and wakes for what is due later`() async throws {
        let loop = WorkLoop(Numbers(), limit: 3)
        let running = Counter()
        let most = Collected<Int>()
        let task = Task {
            await loop.run { _ in
                most.append(running.add(1))
                for _ in 0..<20 { await Task.yield() }
                running.add(-1)
                return true
            }
        }
        loop.update { numbers, now in
            for number in 0..<100 { numbers.timetable.set(number, due: now + .milliseconds(number)) }
        }
        try await eventually("all is done") { loop.read { $0.finished.count } == 100 }
        #expect(most.all.allSatisfy { $0 <= 3 })
        #expect(loop.read { Set($0.finished) } == Set(0..<100))
        task.cancel()
        await task.value
    }

    @Test func `when it is cancelled it ends with all that it began, of which nothing is told`() async throws {
        let loop = WorkLoop(Numbers(), limit: 2)
        let running = Counter()
        loop.update { numbers, now in
            for number in 0..<5 { numbers.timetable.set(number, due: now) }
            numbers.timetable.set(9, due: now + .seconds(3_600))
        }
        let task = Task {
            await loop.run { _ in
                running.add(1)
                defer { running.add(-1) }
                try? await Task.sleep(for: .seconds(600))
                return nil
            }
        }
        try await eventually("two run") { running.value == 2 }
        task.cancel()
        await task.value
        #expect(running.value == 0)
        #expect(loop.read { $0.finished } == [])
    }
}

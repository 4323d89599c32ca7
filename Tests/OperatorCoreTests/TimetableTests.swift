// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import OperatorCore

@Suite struct TimetableTests {
    @Test(arguments: 0..<20) func `keys come out when they are due, in order, each once`(seed: UInt64) {
        var random = Walk(seed: seed)
        var table = Timetable<Int>()
        var reference: [Int: Duration] = [:]
        var now = Duration.zero
        for _ in 0..<2_000 {
            let key = Int.random(in: 0..<40, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0, 1:
                let due = now + .seconds(Int.random(in: -5..<50, using: &random))
                table.set(key, due: due)
                reference[key] = due
            case 2:
                table.remove(key)
                reference[key] = nil
            default:
                now += .seconds(Int.random(in: 0..<10, using: &random))
                var last: Duration?
                while let key = table.popDue(now: now) {
                    let due = reference.removeValue(forKey: key)
                    #expect(due.map { $0 <= now } ?? false)
                    #expect(last.map { last in due.map { last <= $0 } ?? false } ?? true)
                    last = due
                }
            }
            #expect(table.first == reference.values.min())
            #expect(table.count == reference.count)
            #expect(reference.keys.allSatisfy { table.contains($0) })
        }
    }

    @Test func `a queue gives each key once, in the order of their coming`() {
        var queue = WorkQueue<Int>()
        for number in 0..<1_000 { queue.append(number % 300) }
        for number in 0..<300 { #expect(queue.popFirst() == number) }
        #expect(queue.isEmpty && queue.popFirst() == nil)
        queue.append(7)
        #expect(queue.popFirst() == 7)
    }
}

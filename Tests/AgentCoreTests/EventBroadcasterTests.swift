// SPDX-License-Identifier: Apache-2.0
import AgentCore
import Testing

struct EventBroadcasterTests {
    @Test func `every reader gets every line, from when it came`() async {
        let broadcaster = EventBroadcaster()
        #expect(!broadcaster.hasReaders)
        broadcaster.publish("before")
        let first = broadcaster.subscribe()
        broadcaster.publish("one")
        let second = broadcaster.subscribe()
        broadcaster.publish("two")
        #expect(broadcaster.hasReaders)
        #expect(await broadcaster.next(for: first)?.lines == ["one", "two"])
        #expect(await broadcaster.next(for: second)?.lines == ["two"])
    }

    @Test func `a slow reader loses lines and is told how many, and nobody else does`() async {
        let broadcaster = EventBroadcaster(limit: 3)
        let slow = broadcaster.subscribe()
        let fast = broadcaster.subscribe()
        for round in 0..<5 {
            broadcaster.publish("\(round)")
            #expect(await broadcaster.next(for: fast)?.lines == ["\(round)"])
        }
        let batch = await broadcaster.next(for: slow)
        #expect(batch?.lines == ["0", "1", "2"])
        #expect(batch?.lost == 2)
        broadcaster.publish("5")
        let next = await broadcaster.next(for: slow)
        #expect(next?.lines == ["5"])
        #expect(next?.lost == 0)
    }

    @Test func `a reader that waits is woken by the next line`() async {
        let broadcaster = EventBroadcaster()
        let reader = broadcaster.subscribe()
        async let batch = broadcaster.next(for: reader)
        broadcaster.publish("late")
        #expect(await batch?.lines == ["late"])
    }

    @Test func `the end comes after what is buffered`() async {
        let broadcaster = EventBroadcaster()
        let reader = broadcaster.subscribe()
        broadcaster.publish("last")
        broadcaster.finish()
        #expect(await broadcaster.next(for: reader)?.lines == ["last"])
        #expect(await broadcaster.next(for: reader) == nil)
    }

    @Test(arguments: [false, true])
    func `a reader that waits ends with the broadcaster, or when it leaves`(leaves: Bool) async {
        let broadcaster = EventBroadcaster()
        let reader = broadcaster.subscribe()
        async let batch = broadcaster.next(for: reader)
        if leaves { broadcaster.unsubscribe(reader) } else { broadcaster.finish() }
        #expect(await batch == nil)
        #expect(broadcaster.hasReaders != leaves)
    }

    @Test func `a cancelled reader does not wait`() async {
        let broadcaster = EventBroadcaster()
        let reader = broadcaster.subscribe()
        let task = Task { await broadcaster.next(for: reader) }
        task.cancel()
        #expect(await task.value == nil)
    }
}

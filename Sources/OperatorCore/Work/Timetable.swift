// SPDX-License-Identifier: Apache-2.0

/// When each of many keys is due. Every operation takes logarithmic time (amortised).
package struct Timetable<Key: Hashable & Sendable>: Sendable {
    private struct Entry: Sendable {
        let due: Duration
        let key: Key
        let ticket: UInt64
    }

    /// A binary heap. Entries whose ticket is not the key's are dead.
    private var heap: [Entry] = []
    private var tickets: [Key: UInt64] = [:]
    private var lastTicket: UInt64 = 0

    package init() {}

    package var count: Int { tickets.count }

    package func contains(_ key: Key) -> Bool { tickets[key] != nil }

    /// In the place of an earlier time, if it has one.
    package mutating func set(_ key: Key, due: Duration) {
        lastTicket += 1
        tickets[key] = lastTicket
        if heap.count > 2 * tickets.count + 32 { heap = rebuilt() }
        push(Entry(due: due, key: key, ticket: lastTicket))
    }

    package mutating func remove(_ key: Key) {
        tickets[key] = nil
        dropDead()
    }

    /// When the first one is due; nil if there is none.
    package var first: Duration? { heap.first?.due }

    /// Takes out the first one, if it is due.
    package mutating func popDue(now: Duration) -> Key? {
        guard let first = heap.first, first.due <= now else { return nil }
        pop()
        tickets[first.key] = nil
        dropDead()
        return first.key
    }

    /// What stands first is alive: ``first`` is never too early.
    private mutating func dropDead() {
        while let first = heap.first, tickets[first.key] != first.ticket { pop() }
    }

    private func rebuilt() -> [Entry] {
        // Sorted, it is a heap.
        heap.filter { tickets[$0.key] == $0.ticket }.sorted { $0.due < $1.due }
    }

    private mutating func push(_ entry: Entry) {
        heap.append(entry)
        var child = heap.count - 1
        while child > 0, heap[child].due < heap[(child - 1) / 2].due {
            heap.swapAt(child, (child - 1) / 2)
            child = (child - 1) / 2
        }
        dropDead()
    }

    private mutating func pop() {
        heap.swapAt(0, heap.count - 1)
        heap.removeLast()
        var parent = 0
        while true {
            var least = parent
            for child in [2 * parent + 1, 2 * parent + 2] where child < heap.count && heap[child].due < heap[least].due
            {
                least = child
            }
            if least == parent { return }
            heap.swapAt(parent, least)
            parent = least
        }
    }
}

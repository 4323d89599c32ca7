// SPDX-License-Identifier: Apache-2.0

/// Keys in the order in which they came, each at most once.
package struct WorkQueue<Key: Hashable & Sendable>: Sendable {
    private var keys: [Key] = []
    private var head = 0
    private var waiting: Set<Key> = []

    package init() {}

    package var isEmpty: Bool { waiting.isEmpty }

    /// One that waits already keeps its place.
    package mutating func append(_ key: Key) {
        if waiting.insert(key).inserted { keys.append(key) }
    }

    package mutating func popFirst() -> Key? {
        while head < keys.count {
            let key = keys[head]
            head += 1
            if head > 64, head * 2 > keys.count {
                keys.removeFirst(head)
                head = 0
            }
            if waiting.remove(key) != nil { return key }
        }
        return nil
    }
}

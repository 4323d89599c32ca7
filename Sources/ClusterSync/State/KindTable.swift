// SPDX-License-Identifier: Apache-2.0

/// The objects of one kind as they are now, and which of them somebody has still to be told of.
struct KindTable<Key: Hashable & Sendable, Value: Hashable & Sendable>: Sendable {
    private(set) var values: [Key: Value] = [:]
    /// The API server has told all there is. Before that values may come from the cache.
    private(set) var isLive = false
    /// From the cache, and not (yet) told by the API server.
    private var unconfirmed: Set<Key> = []
    private var pending: Set<Key> = []

    var hasPending: Bool { !pending.isEmpty }

    func isPending(_ key: Key) -> Bool { pending.contains(key) }

    /// What was known when the agent ran last: holds until the API server says otherwise. No effect on what it has told.
    mutating func seed(_ cached: some Sequence<(Key, Value)>) {
        guard !isLive else { return }
        for (key, value) in cached where values[key] == nil {
            values[key] = value
            unconfirmed.insert(key)
            pending.insert(key)
        }
    }

    /// As the API server tells it; nil: it is gone. False if nothing is different.
    @discardableResult
    mutating func set(_ key: Key, _ value: Value?) -> Bool {
        unconfirmed.remove(key)
        guard values[key] != value else { return false }
        values[key] = value
        pending.insert(key)
        return true
    }

    /// It is there, whatever it is: what was known of it stays.
    mutating func confirm(_ key: Key) {
        unconfirmed.remove(key)
    }

    /// The API server has told all: what only the cache knew is gone, and is returned.
    @discardableResult
    mutating func becomeLive() -> [Key] {
        isLive = true
        let gone = Array(unconfirmed)
        for key in gone { set(key, nil) }
        return gone
    }

    /// What has changed since the last call, each once, as it is now.
    mutating func takePending() -> [(key: Key, value: Value?)] {
        defer { pending = [] }
        return pending.map { ($0, values[$0]) }
    }
}

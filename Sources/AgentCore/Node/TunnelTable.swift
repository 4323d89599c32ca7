// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Numbers for the other nodes' ends of tunnels, as the kernel's tables name them.
///
/// A number means one address for as long as anything in the kernel may name it: a node whose address changes gets
/// another number, and a number that is free is given away again last.
package struct TunnelTable: Sendable {
    /// Where a number's tunnels end; nil: nowhere any more.
    package typealias Write = (number: UInt32, address: IPAddress?)

    private struct End {
        let number: UInt32
        let address: IPAddress
    }

    private let limit: UInt32
    private var ends: [String: End] = [:]
    private var next: UInt32 = 1
    private var free: [UInt32] = []
    private var added: [Write] = []
    private var removed: [UInt32] = []
    private var hasReused = false
    /// Nodes that there was no number for.
    private var waiting: [String: IPAddress] = [:]

    /// - Parameter limit: the first number that there is no room for.
    package init(limit: Int) {
        self.limit = UInt32(clamping: limit)
    }

    /// 0: no tunnel leads to the node.
    package func number(of node: String) -> UInt32 { ends[node]?.number ?? 0 }

    package var count: Int { ends.count }

    /// Takes in where a node is now; nil: gone, or not reachable by tunnels.
    ///
    /// - Returns: whether its number is another one now, so that all that is on it must be staged again.
    package mutating func set(_ node: String, _ address: IPAddress?) -> Bool {
        let old = ends[node]
        waiting[node] = nil
        guard old?.address != address else { return false }
        if let old { removed.append(old.number) }
        ends[node] = nil
        guard let address else { return old != nil }
        guard let number = takeNumber() else {
            waiting[node] = address
            return old != nil
        }
        ends[node] = End(number: number, address: address)
        added.append((number, address))
        return true
    }

    private mutating func takeNumber() -> UInt32? {
        if next < limit {
            defer { next += 1 }
            return next
        }
        guard !free.isEmpty else { return nil }
        hasReused = true
        return free.removeFirst()
    }

    /// The next node gets no number.
    package var isFull: Bool { next >= limit && free.isEmpty }

    /// How many nodes have none.
    package var waitingCount: Int { waiting.count }

    /// Gives nodes that have none the numbers that are free by now, the first by name first.
    ///
    /// - Returns: those that have one now; all that is on them must be staged again.
    package mutating func numberWaiting() -> [String] {
        guard !waiting.isEmpty else { return [] }
        var numbered: [String] = []
        for (node, address) in waiting.sorted(by: { $0.key < $1.key }) {
            guard !isFull else { break }
            if set(node, address) { numbered.append(node) }
        }
        return numbered
    }

    /// Whether numbers were given away again since the last call: then every flow must be judged once more before the
    /// kernel knows their new meaning, as it may name them still.
    package mutating func takeReused() -> Bool {
        defer { hasReused = false }
        return hasReused
    }

    /// What the kernel must know before the peers that name it.
    package mutating func takeAdded() -> [Write] {
        defer { added = [] }
        return added
    }

    /// What the kernel may forget when no peer names it any more: after the changeset that followed.
    package mutating func takeRemoved() -> [Write] {
        defer { removed = [] }
        free += removed
        return removed.map { ($0, nil) }
    }

    /// All of it, for a kernel that knows nothing.
    package mutating func takeAll() -> [Write] {
        free += removed
        removed = []
        added = []
        return ends.values.map { ($0.number, $0.address) }.sorted { $0.number < $1.number }
    }
}

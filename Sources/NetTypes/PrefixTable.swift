// SPDX-License-Identifier: Apache-2.0

/// Values by prefix, found by longest match. The families are apart: ::/0 covers no IPv4 prefix.
///
/// Every operation walks at most one node a bit and, in practice, a few more than the logarithm of the count.
/// Nodes and values lie in two arrays, so a copy costs nothing until one of the two changes.
package struct PrefixTable<Value> {
    package typealias Element = (prefix: Prefix, value: Value)

    private var tree = PrefixTree()
    /// By the number of the prefix's node in the tree.
    private var values: [Value?] = []

    package init() {}

    package init(_ elements: some Sequence<(Prefix, Value)>) {
        for (prefix, value) in elements { insert(value, for: prefix) }
    }

    package var count: Int { tree.count }
    package var isEmpty: Bool { tree.count == 0 }

    /// The value of exactly this prefix.
    package subscript(prefix: Prefix) -> Value? {
        get { tree.find(prefix).flatMap { values[$0] } }
        set {
            if let newValue { insert(newValue, for: prefix) } else { remove(prefix) }
        }
    }

    /// Sets the value of exactly this prefix and returns the one it had.
    @discardableResult
    package mutating func insert(_ value: Value, for prefix: Prefix) -> Value? {
        let (node, wasThere) = tree.insert(prefix)
        while values.count < tree.nodes.count { values.append(nil) }
        let old = wasThere ? values[node] : nil
        values[node] = value
        return old
    }

    /// Removes the value of exactly this prefix and returns it; nil if it had none.
    @discardableResult
    package mutating func remove(_ prefix: Prefix) -> Value? {
        guard let node = tree.remove(prefix) else { return nil }
        return values[node].take()
    }

    package mutating func removeAll() {
        self = PrefixTable()
    }

    /// The longest prefix that contains the address.
    package func longestMatch(_ address: IPAddress) -> Element? {
        longestMatch(covering: Prefix(host: address))
    }

    /// The longest prefix that contains the whole of `prefix`, itself included.
    package func longestMatch(covering prefix: Prefix) -> Element? {
        tree.longestMatch(covering: prefix).flatMap(element)
    }

    /// Every prefix that contains the address, widest first.
    package func covering(_ address: IPAddress) -> [Element] {
        covering(Prefix(host: address))
    }

    /// Every prefix that contains the whole of `prefix`, itself included, widest first.
    package func covering(_ prefix: Prefix) -> [Element] {
        tree.covering(prefix).compactMap(element)
    }

    /// Every prefix that lies in `prefix`, itself included, in order.
    package func covered(by prefix: Prefix) -> [Element] {
        tree.covered(by: prefix).compactMap(element)
    }

    private func element(_ node: Int) -> Element? {
        values[node].map { (tree.nodes[node].prefix, $0) }
    }
}

extension PrefixTable: Sequence {
    /// In order: IPv4 first, by address, a prefix before what it covers.
    package struct Iterator: IteratorProtocol {
        private let table: PrefixTable
        private var pending: [Int32]

        fileprivate init(_ table: PrefixTable) {
            self.table = table
            pending = [table.tree.root(isIPv4: false), table.tree.root(isIPv4: true)]
        }

        package mutating func next() -> PrefixTable.Element? {
            table.tree.nextOccupied(&pending).flatMap(table.element)
        }
    }

    package func makeIterator() -> Iterator { Iterator(self) }

    package var underestimatedCount: Int { count }
}

extension PrefixTable: Sendable where Value: Sendable {}

// SPDX-License-Identifier: Apache-2.0

/// A path-compressed binary trie of prefixes, one root for each family. Prefixes in it are numbered by their
/// nodes; what belongs to them is kept by the user of the tree, in an array beside it.
///
/// Not generic, so that the walk is compiled once, here, whatever the values of the tables are.
struct PrefixTree: Sendable {
    /// A prefix that is in the tree, or a fork between two subtrees (not occupied, both children there).
    struct Node: Sendable {
        var prefix: Prefix
        var isOccupied: Bool
        var children: (zero: Int32, one: Int32) = (-1, -1)

        func child(_ one: Bool) -> Int32 { one ? children.one : children.zero }

        /// The child on the way to `other`, which lies in this node's prefix and is longer.
        func child(towards other: Prefix) -> Int32 { child(other.address.bit(prefix.mappedLength)) }

        mutating func setChild(_ one: Bool, _ index: Int32) {
            if one { children.one = index } else { children.zero = index }
        }
    }

    /// Where an index to a node is kept.
    private enum Slot {
        case root(isIPv4: Bool)
        case child(of: Int32, one: Bool)
    }

    private(set) var nodes: [Node] = []
    private var free: [Int32] = []
    private var rootIPv4: Int32 = -1
    private var rootIPv6: Int32 = -1
    private(set) var count = 0

    func root(isIPv4: Bool) -> Int32 { isIPv4 ? rootIPv4 : rootIPv6 }

    /// The node of exactly this prefix.
    func find(_ prefix: Prefix) -> Int? {
        var at = root(isIPv4: prefix.isIPv4)
        while at >= 0 {
            let node = nodes[Int(at)]
            if node.prefix == prefix { return node.isOccupied ? Int(at) : nil }
            guard node.prefix.mappedLength < prefix.mappedLength else { return nil }
            at = node.child(towards: prefix)
        }
        return nil
    }

    /// The node of this prefix, which is new unless it says so.
    mutating func insert(_ prefix: Prefix) -> (node: Int, wasThere: Bool) {
        var slot = Slot.root(isIPv4: prefix.isIPv4)
        while true {
            let at = self[slot]
            guard at >= 0 else {
                let leaf = makeNode(Node(prefix: prefix, isOccupied: true))
                self[slot] = leaf
                count += 1
                return (Int(leaf), false)
            }
            let found = nodes[Int(at)].prefix
            if found == prefix {
                let wasThere = nodes[Int(at)].isOccupied
                nodes[Int(at)].isOccupied = true
                count += wasThere ? 0 : 1
                return (Int(at), wasThere)
            }
            let common = found.commonLength(prefix)
            if common == found.mappedLength {
                slot = .child(of: at, one: prefix.address.bit(common))
                continue
            }
            // It ends above the node, or leaves its path: a new node takes the node's place.
            let ends = common == prefix.mappedLength
            var above = Node(prefix: Prefix(prefix.address, mappedLength: UInt8(common)), isOccupied: ends)
            above.setChild(found.address.bit(common), at)
            var leaf: Int32?
            if !ends {
                let made = makeNode(Node(prefix: prefix, isOccupied: true))
                above.setChild(prefix.address.bit(common), made)
                leaf = made
            }
            let made = makeNode(above)
            self[slot] = made
            count += 1
            return (Int(leaf ?? made), false)
        }
    }

    /// The node that this prefix had. The number may be given to another from now on.
    mutating func remove(_ prefix: Prefix) -> Int? {
        var slot = Slot.root(isIPv4: prefix.isIPv4)
        var parentSlot: Slot?
        while true {
            let at = self[slot]
            guard at >= 0 else { return nil }
            let node = nodes[Int(at)]
            if node.prefix == prefix {
                guard node.isOccupied else { return nil }
                nodes[Int(at)].isOccupied = false
                count -= 1
                collapse(slot)
                // Its parent may have been a fork for its sake alone.
                if let parentSlot { collapse(parentSlot) }
                return Int(at)
            }
            guard node.prefix.mappedLength < prefix.mappedLength else { return nil }
            parentSlot = slot
            slot = .child(of: at, one: prefix.address.bit(node.prefix.mappedLength))
        }
    }

    /// Takes the node at `slot` out if it is neither occupied nor a fork.
    private mutating func collapse(_ slot: Slot) {
        let at = self[slot]
        guard !nodes[Int(at)].isOccupied else { return }
        let (zero, one) = nodes[Int(at)].children
        guard zero < 0 || one < 0 else { return }
        self[slot] = max(zero, one)
        free.append(at)
    }

    private mutating func makeNode(_ node: Node) -> Int32 {
        if let index = free.popLast() {
            nodes[Int(index)] = node
            return index
        }
        nodes.append(node)
        return Int32(nodes.count - 1)
    }

    private subscript(slot: Slot) -> Int32 {
        get {
            switch slot {
            case .root(let isIPv4): root(isIPv4: isIPv4)
            case .child(let parent, let one): nodes[Int(parent)].child(one)
            }
        }
        set {
            switch slot {
            case .root(isIPv4: true): rootIPv4 = newValue
            case .root(isIPv4: false): rootIPv6 = newValue
            case .child(let parent, let one): nodes[Int(parent)].setChild(one, newValue)
            }
        }
    }
}

extension PrefixTree {
    /// The longest prefix that contains `prefix`, itself included.
    func longestMatch(covering prefix: Prefix) -> Int? {
        var best: Int32 = -1
        var at = root(isIPv4: prefix.isIPv4)
        while at >= 0 {
            let node = nodes[Int(at)]
            guard node.prefix.contains(prefix) else { break }
            if node.isOccupied { best = at }
            guard node.prefix.mappedLength < prefix.mappedLength else { break }
            at = node.child(towards: prefix)
        }
        return best >= 0 ? Int(best) : nil
    }

    /// All prefixes that contain `prefix`, itself included, widest first.
    func covering(_ prefix: Prefix) -> [Int] {
        var result: [Int] = []
        var at = root(isIPv4: prefix.isIPv4)
        while at >= 0 {
            let node = nodes[Int(at)]
            guard node.prefix.contains(prefix) else { break }
            if node.isOccupied { result.append(Int(at)) }
            guard node.prefix.mappedLength < prefix.mappedLength else { break }
            at = node.child(towards: prefix)
        }
        return result
    }

    /// All prefixes that lie in `prefix`, itself included, in order.
    func covered(by prefix: Prefix) -> [Int] {
        var at = root(isIPv4: prefix.isIPv4)
        while at >= 0, nodes[Int(at)].prefix.mappedLength < prefix.mappedLength {
            at = nodes[Int(at)].child(towards: prefix)
        }
        guard at >= 0, prefix.contains(nodes[Int(at)].prefix) else { return [] }
        var pending = [at]
        var result: [Int] = []
        while let node = nextOccupied(&pending) { result.append(node) }
        return result
    }

    /// The next node in order, `pending` being the subtrees that are still to be visited, the next one last.
    func nextOccupied(_ pending: inout [Int32]) -> Int? {
        while let at = pending.popLast() {
            guard at >= 0 else { continue }
            pending.append(nodes[Int(at)].children.one)
            pending.append(nodes[Int(at)].children.zero)
            if nodes[Int(at)].isOccupied { return Int(at) }
        }
        return nil
    }
}

extension IPAddress {
    /// Bit `position` of the 16-byte form, 0 being the first on the wire. Past the end: false.
    @inline(__always)
    func bit(_ position: Int) -> Bool {
        (position < 64 ? high >> (63 - position) : low >> (127 - position)) & 1 == 1
    }
}

extension Prefix {
    /// How many leading bits both have in common, at most the shorter length. Same family assumed.
    @inline(__always)
    func commonLength(_ other: Prefix) -> Int {
        let high = address.high ^ other.address.high
        let equal =
            high != 0 ? high.leadingZeroBitCount : 64 + (address.low ^ other.address.low).leadingZeroBitCount
        return min(equal, mappedLength, other.mappedLength)
    }
}

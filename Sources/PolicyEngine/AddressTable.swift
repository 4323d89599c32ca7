// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes

/// Who has which address, and the prefixes that rules name.
struct AddressTable: Sendable {
    enum PeerKind: UInt8, Sendable {
        case pod
        case host
        case remoteNode
        case service
    }

    /// Places in the tables of identities and port lists.
    struct Occupant: Hashable, Sendable {
        var kind: PeerKind
        var identity: UInt32
        var ports: UInt32
        /// Set: known by its identity's number; else by labels, or reserved.
        var number: IdentityNumber?
    }

    struct Record: Sendable {
        /// As staged; an endpoint with the address overrules it.
        var peer: Occupant?
        /// The node that has it; 0: not known.
        var node: UInt32 = 0
        /// 0: none.
        var endpoint: UInt16 = 0
        /// `.max`: not yet in one.
        var slot: UInt32 = .max
        /// What the kernel has.
        var entry: PeerEntry?
    }

    struct PrefixRecord: Sendable {
        /// Blocks that name it, as their range or as an exception.
        var references: Int
        var slot: UInt32
    }

    var records = AddressMap<Record>()
    var prefixes = PrefixTable<PrefixRecord>()
    /// What the kernel has: slots by prefix.
    var writtenPrefixes: [Prefix: UInt32] = [:]
    /// Selectors by the range of their block.
    private var blocks = PrefixTable<[UInt32]>()
    /// All addresses of `records`, sorted. Inserting one moves memory, which takes microseconds for ten thousand.
    private var order: [IPAddress] = []

    mutating func insertAddress(_ address: IPAddress, _ record: Record) {
        guard !records.update(address, record) else { return }
        order.insert(address, at: order.lowerBound(of: address))
    }

    mutating func removeAddress(_ address: IPAddress) {
        guard records.update(address, nil) else { return }
        order.remove(at: order.lowerBound(of: address))
    }

    /// Known addresses that the block contains, sorted.
    func addresses(in block: AddressBlock) -> [IPAddress] {
        let last = block.prefix.lastAddress
        var found: [IPAddress] = []
        var index = order.lowerBound(of: block.prefix.address)
        while index < order.count, order[index] <= last {
            if block.contains(order[index]) { found.append(order[index]) }
            index += 1
        }
        return found
    }

    mutating func insertBlock(_ selector: UInt32, _ block: AddressBlock) {
        blocks.insert((blocks[block.prefix] ?? []).inserting(selector), for: block.prefix)
    }

    mutating func removeBlock(_ selector: UInt32, _ block: AddressBlock) {
        let left = blocks[block.prefix]?.removing(selector) ?? []
        if left.isEmpty { blocks.remove(block.prefix) } else { blocks.insert(left, for: block.prefix) }
    }

    /// The blocks that contain all of the prefix, but for longer exceptions; sorted. Those of what is outside only for
    /// what is outside.
    func blocks(around prefix: Prefix, isOutside: Bool, _ selectors: SelectorTable) -> [UInt32] {
        guard !blocks.isEmpty else { return [] }
        var found: [UInt32] = []
        for (_, list) in blocks.covering(prefix) {
            for selector in list {
                switch selectors.records[Int(selector)].kind {
                case .addresses(let block): if block.covers(prefix) { found.append(selector) }
                case .outside(let block): if isOutside, block.covers(prefix) { found.append(selector) }
                case .none, .pods, .entities, .variant: break
                }
            }
        }
        found.sort()
        return found
    }

    /// Where the kernel finds an address that no pod and no node has; nil: nowhere, it is the world's.
    func coveringSlot(_ address: IPAddress) -> UInt32? {
        prefixes.longestMatch(address)?.value.slot
    }
}

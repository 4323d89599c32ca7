// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes

// Selectors that come and go, and what they do to slots and classes. None of it changes what live policies say:
// they don't use what comes, and nobody uses what goes.
extension PolicyCompiler {
    mutating func dropIdleSelectors() {
        for (id, kind) in selectors.takeIdle() {
            switch kind {
            case .addresses(let block), .outside(let block):
                for classID in partition.classes(of: id) {
                    partition.removeBlock(id, from: partition.classes[Int(classID)].members)
                }
                addresses.removeBlock(id, block)
                for prefix in prefixes(of: block) { releasePrefix(prefix) }
            case .none, .pods, .entities, .variant: break
            }
            partition.coarsen(without: id)
        }
    }

    mutating func matchFreshSelectors() {
        for id in freshSelectors {
            switch selectors.records[Int(id)].kind {
            case .pods(let selector):
                let slots = identities.matching(selector).flatMap { partition.slots(of: $0) }
                partition.refine(by: id, matching: slots)
            case .entities(let entities):
                let slots = identities.matching(entities).flatMap { partition.slots(of: $0) }
                partition.refine(by: id, matching: slots)
            case .addresses(let block): matchAddresses(id, block, outsideOnly: false)
            case .outside(let block): matchAddresses(id, block, outsideOnly: true)
            case .variant, .none: break
            }
        }
        for id in freshNamed { matchNamedPort(id) }
        freshSelectors = []
        freshNamed = []
    }

    private mutating func matchAddresses(_ id: UInt32, _ block: AddressBlock, outsideOnly: Bool) {
        addresses.insertBlock(id, block)
        var inside = addresses.addresses(in: block).map { (address: $0, slot: addresses.records[$0]?.slot ?? .max) }
        if outsideOnly {
            // What all addresses of a slot are, as they have one identity.
            inside.removeAll {
                $0.slot == .max || !identities.isOutside(partition.slots[Int($0.slot)].kind.identity)
            }
        }
        let prefixesInside = addresses.prefixes.covered(by: block.prefix).filter { block.covers($0.prefix) }
        // New addresses have no slot yet; they get the right one when they are settled.
        let slots = (inside.map(\.slot) + prefixesInside.map(\.value.slot)).filter { $0 != .max }.sorted()

        // A slot that lies in the block as a whole stays; of others, the addresses inside move to another slot.
        var matching: [UInt32] = []
        var divided: [UInt32: UInt32] = [:]
        var start = 0
        while start < slots.count {
            let slot = slots[start]
            var end = start + 1
            while end < slots.count, slots[end] == slot { end += 1 }
            if end - start < partition.slots[Int(slot)].references {
                divided[slot] = partition.divide(slot, count: end - start, adding: id)
            } else {
                matching.append(slot)
            }
            start = end
        }
        partition.addBlock(id, to: matching)
        matching += divided.values
        matching.sortUnique()
        if !divided.isEmpty {
            for (address, slot) in inside {
                guard let other = divided[slot] else { continue }
                addresses.records[address]?.slot = other
                touchedAddresses.insert(address)
            }
            for (prefix, record) in prefixesInside {
                guard let other = divided[record.slot] else { continue }
                addresses.prefixes[prefix]?.slot = other
                touchedPrefixes.insert(prefix)
            }
        }
        partition.refine(by: id, matching: matching)
        for prefix in prefixes(of: block) { retainPrefix(prefix) }
    }

    private mutating func matchNamedPort(_ id: UInt32) {
        guard let key = selectors.named[Int(id)].key else { return }
        let numbers = portLists.numbers(of: key.port)
        guard !numbers.isEmpty else { return }
        var matching: [UInt16: [UInt32]] = [:]
        func collect(_ slot: UInt32) {
            let record = partition.slots[Int(slot)]
            guard record.inUse, let found = numbers[record.kind.ports] else { return }
            for number in found { matching[number, default: []].append(slot) }
        }
        if let base = key.base {
            for classID in partition.classes(of: base) {
                for slot in partition.classes[Int(classID)].members { collect(slot) }
            }
        } else {
            for slot in partition.slots.indices { collect(UInt32(slot)) }
        }
        for (number, slots) in matching.sorted(by: { $0.key < $1.key }) {
            partition.refine(by: selectors.variant(of: id, number: number), matching: slots)
        }
    }

    /// All selectors that match addresses of this kind, sorted.
    private mutating func signature(of kind: Partition.Kind) -> Signature {
        var signature = labelMatches(of: kind.identity) + kind.blocks
        signature.sort()
        let plain = signature
        for port in portLists[kind.ports] {
            for named in selectors.named(asking: PortName(protocol: port.protocol, name: port.name)) {
                if let base = selectors.named[Int(named)].key?.base, !plain.sortedContains(base) { continue }
                signature.append(selectors.variant(of: named, number: port.port))
            }
        }
        signature.sort()
        return Signature(signature)
    }

    /// The selectors that match an identity, wherever it is.
    private func labelMatches(of identity: UInt32) -> [UInt32] {
        if let slot = partition.slots(of: identity).first {
            // Another slot of the identity knows: they are in its class's signature, among others.
            let classID = partition.slots[Int(slot)].classID
            return partition.classes[Int(classID)].signature.selectors.filter {
                switch selectors.records[Int($0)].kind {
                case .pods, .entities: true
                case .none, .addresses, .outside, .variant: false
                }
            }
        }
        let record = identities[identity]
        let candidates = record.labels.map { selectors.candidates(for: $0) } ?? []
        return (candidates + selectors.entitySelectors).filter {
            switch selectors.records[Int($0)].kind {
            case .pods(let selector): record.labels.map(selector.matches) ?? false
            case .entities(let entities): !entities.isDisjoint(with: record.entities)
            case .none, .addresses, .outside, .variant: false
            }
        }
    }

    /// One more address of this kind; the caller gives it back with `partition.leave`.
    mutating func enterSlot(_ kind: Partition.Kind) -> UInt32 {
        if let slot = partition.enter(kind) { return slot }
        return partition.create(kind, signature(of: kind))
    }
}

// Prefixes.
extension PolicyCompiler {
    /// All that has to be told apart for the block. ::ffff:0:0/96 is where IPv4 is in the kernel's table, so what
    /// covers it there must not speak for IPv4.
    private func prefixes(of block: AddressBlock) -> [Prefix] {
        var list = [block.prefix] + block.except
        let coversMapped = list.contains {
            !$0.isIPv4 && $0.address <= .unspecifiedIPv4 && .unspecifiedIPv4 <= $0.lastAddress
        }
        if coversMapped { list.append(.allIPv4) }
        return list
    }

    private mutating func retainPrefix(_ prefix: Prefix) {
        if addresses.prefixes[prefix] != nil {
            addresses.prefixes[prefix]?.references += 1
            return
        }
        let world = prefix.isIPv4 ? ReservedIdentity.worldIPv4 : .worldIPv6
        let kind = Partition.Kind(
            identity: world.rawValue, ports: 0,
            blocks: addresses.blocks(around: prefix, isOutside: true, selectors))
        addresses.prefixes[prefix] = AddressTable.PrefixRecord(references: 1, slot: enterSlot(kind))
        touchedPrefixes.insert(prefix)
    }

    private mutating func releasePrefix(_ prefix: Prefix) {
        guard let record = addresses.prefixes[prefix] else { return }
        if record.references > 1 {
            addresses.prefixes[prefix]?.references -= 1
            return
        }
        partition.leave(record.slot)
        addresses.prefixes.remove(prefix)
        touchedPrefixes.insert(prefix)
    }

    mutating func settlePrefixes() {
        for prefix in touchedPrefixes.sorted() {
            let written = addresses.writtenPrefixes[prefix]
            let slot = addresses.prefixes[prefix]?.slot
            guard slot != written else { continue }
            addresses.writtenPrefixes[prefix] = slot
            if let slot {
                let world = prefix.isIPv4 ? ReservedIdentity.worldIPv4 : .worldIPv6
                changes.prefixes.append((prefix, world.rawValue, slot))
            } else {
                changes.removedPrefixes.append(prefix)
            }
        }
    }
}

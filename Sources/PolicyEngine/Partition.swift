// SPDX-License-Identifier: Apache-2.0

/// Kinds of addresses (slots), and what the selectors in use make of them (classes): two slots are in one class when
/// exactly the same selectors match both.
///
/// Selectors come and go by refinement: one that comes divides only the classes that it matches in part, one that
/// goes joins only those that it alone kept apart. Class 0 is what no selector matches.
struct Partition: Sendable {
    /// What the addresses of a slot have in common. `identity` and `ports` are places in their tables.
    struct Kind: Hashable, Sendable {
        var identity: UInt32
        var ports: UInt32
        /// Address blocks around them, sorted.
        var blocks: [UInt32]
    }

    struct Slot: Sendable {
        var kind: Kind
        /// Addresses and prefixes in it.
        var references = 0
        var classID: UInt32 = 0
        /// Where in the class's `members`.
        var position = 0
        /// What the kernel's class word says.
        var word: UInt32 = 0
        var inUse = true
    }

    struct Class: Sendable {
        var signature = Signature()
        var members: [UInt32] = []
        var inUse = false
        /// Made since the last commit, so no policy has a row for it yet.
        var isNew = false
    }

    struct FreedClass: Sendable {
        let id: UInt32
        let signature: Signature
    }

    private(set) var slots: [Slot] = []
    private(set) var classes: [Class] = [Class(inUse: true)]
    /// By selector: the classes with it in their signature.
    private(set) var classesOf: [NumberList] = []
    /// By identity: its slots.
    private var slotsOf: [NumberList] = []
    private var classIDs: [Signature: UInt32] = [Signature(): 0]
    private var slotPool = NumberPool(from: 0)
    private var classPool = NumberPool(from: 1)

    private var moved: [UInt32] = []
    private var unreferenced: [UInt32] = []
    private var created: [UInt32] = []
    private var freed: [FreedClass] = []
    private var emptied: [UInt32] = []

    var classCount: Int { classIDs.count }
    private(set) var slotCount = 0

    func classes(of selector: UInt32) -> NumberList {
        Int(selector) < classesOf.count ? classesOf[Int(selector)] : NumberList()
    }

    func slots(of identity: UInt32) -> NumberList {
        Int(identity) < slotsOf.count ? slotsOf[Int(identity)] : NumberList()
    }
}

// Slots.
extension Partition {
    /// One more address of this kind; nil if no address is of it yet.
    mutating func enter(_ kind: Kind) -> UInt32? {
        guard let slot = slot(of: kind) else { return nil }
        slots[Int(slot)].references += 1
        return slot
    }

    /// The first address of this kind.
    mutating func create(_ kind: Kind, _ signature: Signature) -> UInt32 {
        let slot = makeSlot(kind)
        join(slot, classFor(signature))
        return slot
    }

    /// Moves `count` of the addresses of `slot` to a kind that is the same but for one more block, which is in no
    /// signature yet: so the class stays.
    mutating func divide(_ slot: UInt32, count: Int, adding block: UInt32) -> UInt32 {
        slots[Int(slot)].references -= count
        var kind = slots[Int(slot)].kind
        kind.blocks = kind.blocks.inserting(block)
        if let other = self.slot(of: kind) {
            slots[Int(other)].references += count
            return other
        }
        let other = makeSlot(kind)
        slots[Int(other)].references = count
        join(other, slots[Int(slot)].classID)
        return other
    }

    mutating func addBlock(_ block: UInt32, to list: some Sequence<UInt32>) {
        changeBlocks(of: list) { $0.inserting(block) }
    }

    /// Two slots may now be of one kind; they stay apart until one of them is empty, which costs nothing but numbers.
    mutating func removeBlock(_ block: UInt32, from list: some Sequence<UInt32>) {
        changeBlocks(of: list) { $0.removing(block) }
    }

    private mutating func changeBlocks(of list: some Sequence<UInt32>, _ change: ([UInt32]) -> [UInt32]) {
        // Neighbours mostly have the same blocks, and then share the array.
        var last: (old: [UInt32], new: [UInt32]) = ([], change([]))
        for slot in list {
            let old = slots[Int(slot)].kind.blocks
            if old != last.old { last = (old, change(old)) }
            slots[Int(slot)].kind.blocks = last.new
        }
    }

    /// Identities have few slots, so there is no index but the list.
    private func slot(of kind: Kind) -> UInt32? {
        slots(of: kind.identity).first {
            slots[Int($0)].kind.ports == kind.ports && slots[Int($0)].kind.blocks == kind.blocks
        }
    }

    mutating func leave(_ slot: UInt32) {
        slots[Int(slot)].references -= 1
        if slots[Int(slot)].references == 0 { unreferenced.append(slot) }
    }

    /// Gives up the slots without addresses, and the classes without slots.
    mutating func removeUnreferenced() {
        for slot in unreferenced where slots[Int(slot)].references == 0 && slots[Int(slot)].inUse {
            slotsOf[Int(slots[Int(slot)].kind.identity)].remove(slot)
            let classID = slots[Int(slot)].classID
            removeMember(slot)
            slots[Int(slot)].inUse = false
            slotCount -= 1
            slotPool.release(slot)
            if classID != 0, classes[Int(classID)].members.isEmpty { freeClass(classID) }
        }
        unreferenced.removeAll(keepingCapacity: true)
    }

    private mutating func makeSlot(_ kind: Kind) -> UInt32 {
        guard let slot = slotPool.take() else { preconditionFailure("2^32 slots in use") }
        if Int(slot) == slots.count {
            slots.append(Slot(kind: kind))
        } else {
            slots[Int(slot)].kind = kind
            slots[Int(slot)].inUse = true
        }
        slots[Int(slot)].references = 1
        while Int(kind.identity) >= slotsOf.count { slotsOf.append(NumberList()) }
        slotsOf[Int(kind.identity)].insert(slot)
        slotCount += 1
        return slot
    }
}

// Classes.
extension Partition {
    /// Takes a selector in that no signature has: `matching` are the slots that it matches, each once.
    mutating func refine(by selector: UInt32, matching: [UInt32]) {
        growIndex(selector)
        let order = matching.map { UInt64(slots[Int($0)].classID) << 32 | UInt64($0) }.sorted()
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, order[end] >> 32 == order[start] >> 32 { end += 1 }
            let group = order[start..<end].map { UInt32(truncatingIfNeeded: $0) }
            split(UInt32(order[start] >> 32), matching: group, by: selector)
            start = end
        }
    }

    /// Takes a selector that no policy uses out of all signatures.
    mutating func coarsen(without selector: UInt32) {
        guard Int(selector) < classesOf.count else { return }
        let affected = classesOf[Int(selector)]
        classesOf[Int(selector)] = NumberList()
        for classID in affected {
            let signature = classes[Int(classID)].signature.removing(selector)
            classIDs[classes[Int(classID)].signature] = nil
            classes[Int(classID)].signature = signature
            if let other = classIDs[signature] {
                merge(classID, other)
            } else {
                classIDs[signature] = classID
            }
        }
    }

    /// `matching` is sorted.
    private mutating func split(_ classID: UInt32, matching: [UInt32], by selector: UInt32) {
        let signature = classes[Int(classID)].signature
        let size = classes[Int(classID)].members.count
        guard classID != 0, matching.count * 2 > size else {
            move(matching, to: makeClass(signature.inserting(selector)))
            return
        }
        // The bigger part keeps the number, and needs no words written.
        classIDs[signature] = nil
        let extended = signature.inserting(selector)
        classIDs[extended] = classID
        classes[Int(classID)].signature = extended
        classesOf[Int(selector)].insert(classID)
        guard matching.count < size else { return }
        let leaving = classes[Int(classID)].members.filter { !matching.sortedContains($0) }
        move(leaving, to: makeClass(signature))
    }

    /// Both have the same signature; the one with more members stays, class 0 in any case.
    private mutating func merge(_ a: UInt32, _ b: UInt32) {
        let keepsA = b != 0 && classes[Int(a)].members.count > classes[Int(b)].members.count
        let (kept, gone) = keepsA ? (a, b) : (b, a)
        move(classes[Int(gone)].members, to: kept)
        freeClass(gone)
        classIDs[classes[Int(kept)].signature] = kept
    }

    private mutating func classFor(_ signature: Signature) -> UInt32 {
        classIDs[signature] ?? makeClass(signature)
    }

    private mutating func makeClass(_ signature: Signature) -> UInt32 {
        guard let classID = classPool.take() else { preconditionFailure("2^32 classes in use") }
        while Int(classID) >= classes.count { classes.append(Class()) }
        classes[Int(classID)] = Class(signature: signature, inUse: true, isNew: true)
        classIDs[signature] = classID
        for selector in signature.selectors {
            growIndex(selector)
            classesOf[Int(selector)].insert(classID)
        }
        created.append(classID)
        return classID
    }

    private mutating func freeClass(_ classID: UInt32) {
        let record = classes[Int(classID)]
        for selector in record.signature.selectors {
            classesOf[Int(selector)].remove(classID)
            if classesOf[Int(selector)].isEmpty { emptied.append(selector) }
        }
        if classIDs[record.signature] == classID { classIDs[record.signature] = nil }
        if !record.isNew { freed.append(FreedClass(id: classID, signature: record.signature)) }
        classes[Int(classID)] = Class()
        classPool.release(classID)
    }

    private mutating func growIndex(_ selector: UInt32) {
        while Int(selector) >= classesOf.count { classesOf.append(NumberList()) }
    }

    private mutating func move(_ members: [UInt32], to classID: UInt32) {
        for slot in members {
            removeMember(slot)
            join(slot, classID)
        }
    }

    private mutating func join(_ slot: UInt32, _ classID: UInt32) {
        slots[Int(slot)].classID = classID
        slots[Int(slot)].position = classes[Int(classID)].members.count
        classes[Int(classID)].members.append(slot)
        moved.append(slot)
    }

    private mutating func removeMember(_ slot: UInt32) {
        let classID = Int(slots[Int(slot)].classID)
        let position = slots[Int(slot)].position
        let last = classes[classID].members.removeLast()
        if last != slot {
            classes[classID].members[position] = last
            slots[Int(last)].position = position
        }
    }
}

// What a commit has to write.
extension Partition {
    /// Classes made since the last commit and still there, in order.
    func newClasses() -> [UInt32] {
        var list = created.filter { classes[Int($0)].inUse && classes[Int($0)].isNew }
        list.sortUnique()
        return list
    }

    /// Classes that had rows before and are gone.
    var freedClasses: [FreedClass] { freed }

    /// The words that differ from what the kernel has, in order; from now on the kernel has them. Also those of slots that
    /// were given up just now: a prefix leads to its slot until it is taken away, after the switch, and by then policies
    /// know only the class that its addresses are going to have.
    mutating func takeWords() -> [(slot: UInt32, classID: UInt32)] {
        var words: [(slot: UInt32, classID: UInt32)] = []
        moved.sortUnique()
        for slot in moved {
            let record = slots[Int(slot)]
            guard record.word != record.classID, record.inUse || classes[Int(record.classID)].inUse else { continue }
            slots[Int(slot)].word = record.classID
            words.append((slot, record.classID))
        }
        return words
    }

    /// Selectors that lost their last class since the last commit and have none now.
    func matchless() -> [UInt32] {
        var list = emptied.filter { classesOf[Int($0)].isEmpty }
        list.sortUnique()
        return list
    }

    mutating func endCommit() {
        emptied.removeAll(keepingCapacity: true)
        for classID in created { classes[Int(classID)].isNew = false }
        created.removeAll(keepingCapacity: true)
        moved.removeAll(keepingCapacity: true)
        freed = []
        slotPool.endCommit()
        classPool.endCommit()
    }
}

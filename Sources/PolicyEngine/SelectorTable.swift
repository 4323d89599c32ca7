// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes

/// A port's name with its protocol.
struct PortName: Hashable, Comparable, Sendable {
    let `protocol`: IPProtocol
    let name: String

    static func < (a: PortName, b: PortName) -> Bool { (a.protocol, a.name) < (b.protocol, b.name) }
}

/// Every peer selector that a live policy uses, once, with the policies that use it.
///
/// A number in here is one bit of what makes a class: a label selector, an address block, or a variant: "has this
/// selector's match and gives the port name that number". Selectors that lost their last policy stay, and keep being
/// matched, until the next commit with work on policies: they are often wanted again at once.
struct SelectorTable: Sendable {
    enum Kind: Sendable {
        case none
        case pods(PodSelector)
        case addresses(AddressBlock)
        case outside(AddressBlock)
        case entities(EntitySet)
        /// What a named port of egress rules resolves to.
        case variant
    }

    struct Record: Sendable {
        var kind = Kind.none
        var references = 0
        /// Places of the policies whose rules name it.
        var users = NumberList()
    }

    /// POD beside the records, for the inner loop.
    struct Variant: Sendable {
        var named: UInt32
        var `protocol`: UInt8
        var number: UInt16

        static let none = Variant(named: .max, protocol: 0, number: 0)
    }

    struct NamedKey: Hashable, Sendable {
        /// nil: any pod.
        let base: UInt32?
        let port: PortName
    }

    /// A port name as asked of the peers that one selector matches.
    struct Named: Sendable {
        var key: NamedKey?
        var references = 0
        var users = NumberList()
        /// Place of the variant by number.
        var variants: [UInt16: UInt32] = [:]
    }

    private(set) var records: [Record] = []
    private(set) var variants: [Variant] = []
    private(set) var named: [Named] = []
    private var ids: [PeerSelector: UInt32] = [:]
    private var namedIDs: [NamedKey: UInt32] = [:]
    private var namedByPort: [PortName: NumberList] = [:]
    private var index = SelectorIndex()
    /// All that there are: a handful.
    private(set) var entitySelectors = NumberList()
    private var free: [UInt32] = []
    private var freeNamed: [UInt32] = []
    /// Free from the end of the commit on: until then, signatures of classes that are gone may name them.
    private var vacated: [UInt32] = []
    /// May hold some that are in use again.
    private(set) var idle: [UInt32] = []
    private(set) var idleNamed: [UInt32] = []

    /// Selectors that some policy uses; variants and those on the way out don't count.
    private(set) var usedCount = 0

    mutating func retain(_ selector: PeerSelector) -> (id: UInt32, isNew: Bool) {
        if let id = ids[selector] {
            if records[Int(id)].references == 0 { usedCount += 1 }
            records[Int(id)].references += 1
            return (id, false)
        }
        usedCount += 1
        let id = place()
        ids[selector] = id
        records[Int(id)].references = 1
        switch selector {
        case .pods(let pods):
            records[Int(id)].kind = .pods(pods)
            index.insert(id, pods)
        case .addresses(let block): records[Int(id)].kind = .addresses(block)
        case .outside(let block): records[Int(id)].kind = .outside(block)
        case .entities(let entities):
            records[Int(id)].kind = .entities(entities)
            entitySelectors.insert(id)
        }
        return (id, true)
    }

    mutating func release(_ id: UInt32) {
        records[Int(id)].references -= 1
        guard records[Int(id)].references == 0 else { return }
        usedCount -= 1
        idle.append(id)
    }

    /// The caller holds `base` as long as what it gets here.
    mutating func retainNamed(base: UInt32?, _ port: PortName) -> (id: UInt32, isNew: Bool) {
        let key = NamedKey(base: base, port: port)
        if let id = namedIDs[key] {
            named[Int(id)].references += 1
            return (id, false)
        }
        let id = freeNamed.popLast() ?? UInt32(named.count)
        if Int(id) == named.count { named.append(Named()) }
        named[Int(id)].key = key
        named[Int(id)].references = 1
        namedIDs[key] = id
        namedByPort[port, default: NumberList()].insert(id)
        return (id, true)
    }

    mutating func releaseNamed(_ id: UInt32) {
        named[Int(id)].references -= 1
        if named[Int(id)].references == 0 { idleNamed.append(id) }
    }

    mutating func addUser(_ policy: UInt32, selectors: [UInt32], named list: [UInt32]) {
        for id in selectors { records[Int(id)].users.insert(policy) }
        for id in list { named[Int(id)].users.insert(policy) }
    }

    mutating func removeUser(_ policy: UInt32, selectors: [UInt32], named list: [UInt32]) {
        for id in selectors { records[Int(id)].users.remove(policy) }
        for id in list { named[Int(id)].users.remove(policy) }
    }

    /// The policies whose rows can depend on this bit of a class.
    func users(of id: UInt32) -> NumberList {
        let variant = variants[Int(id)]
        return variant.named == .max ? records[Int(id)].users : named[Int(variant.named)].users
    }

    /// Selectors to check against an identity's labels; a superset of those that match.
    func candidates(for labels: SecurityLabels) -> [UInt32] { index.candidates(for: labels) }

    /// The named ports that pods with this port take part in.
    func named(asking port: PortName) -> NumberList { namedByPort[port] ?? NumberList() }

    /// The variant for a number; made if it is the first pod that has it.
    mutating func variant(of named: UInt32, number: UInt16) -> UInt32 {
        if let id = self.named[Int(named)].variants[number] { return id }
        let id = place()
        records[Int(id)].kind = .variant
        let ipProtocol = self.named[Int(named)].key?.port.protocol.rawValue ?? 0
        variants[Int(id)] = Variant(named: named, protocol: ipProtocol, number: number)
        self.named[Int(named)].variants[number] = id
        return id
    }

    /// For a variant that no class has any more.
    mutating func removeVariant(_ id: UInt32) {
        let variant = variants[Int(id)]
        guard variant.named != .max else { return }
        named[Int(variant.named)].variants[variant.number] = nil
        vacate(id)
    }

    private mutating func place() -> UInt32 {
        if let id = free.popLast() { return id }
        records.append(Record())
        variants.append(.none)
        return UInt32(records.count - 1)
    }

    private mutating func vacate(_ id: UInt32) {
        records[Int(id)] = Record()
        variants[Int(id)] = .none
        vacated.append(id)
    }
}

extension SelectorTable {
    mutating func endCommit() {
        free += vacated
        vacated.removeAll(keepingCapacity: true)
    }

    var hasIdle: Bool { !idle.isEmpty || !idleNamed.isEmpty }

    /// Hands out what is idle and still unused, and forgets it. By the end of the commit no class may have it in its
    /// signature.
    mutating func takeIdle() -> [(id: UInt32, kind: Kind)] {
        var gone: [(id: UInt32, kind: Kind)] = []
        for id in idleNamed {
            guard named[Int(id)].references == 0, let key = named[Int(id)].key else { continue }
            namedIDs[key] = nil
            namedByPort[key.port]?.remove(id)
            if namedByPort[key.port]?.isEmpty ?? false { namedByPort[key.port] = nil }
            for variant in named[Int(id)].variants.values.sorted() {
                gone.append((variant, .variant))
                vacate(variant)
            }
            named[Int(id)] = Named()
            freeNamed.append(id)
        }
        for id in idle where records[Int(id)].references == 0 {
            switch records[Int(id)].kind {
            case .pods(let pods):
                ids[.pods(pods)] = nil
                index.remove(id, pods)
            case .addresses(let block): ids[.addresses(block)] = nil
            case .outside(let block): ids[.outside(block)] = nil
            case .entities(let entities):
                ids[.entities(entities)] = nil
                entitySelectors.remove(id)
            case .none, .variant: continue
            }
            gone.append((id, records[Int(id)].kind))
            vacate(id)
        }
        idle = []
        idleNamed = []
        return gone
    }
}

// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import IPAM

@Suite struct PrefixPoolTests {
    private static func prefix(_ text: String) throws -> Prefix { try #require(Prefix(text)) }

    private func pool(_ ranges: [String], _ length: Int) throws -> PrefixPool {
        try PrefixPool(ranges: try ranges.map { try Self.prefix($0) }, length: length)
    }

    private func release(_ pool: inout PrefixPool, _ prefix: Prefix, of owner: String) -> Bool {
        pool.release(prefix, of: owner)
    }

    private func given(_ pool: inout PrefixPool, _ owner: String) throws -> Prefix {
        let slot = pool.allocate(to: owner)
        return try #require(slot)
    }

    @Test(arguments: [
        (["10.0.0.0/22"], 24, ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]),
        (["10.0.0.0/24", "192.168.4.0/23"], 24, ["10.0.0.0/24", "192.168.4.0/24", "192.168.5.0/24"]),
        (["fd00::/118"], 120, ["fd00::/120", "fd00::100/120", "fd00::200/120", "fd00::300/120"]),
        (["fd00:0:0:fffe::/63"], 64, ["fd00:0:0:fffe::/64", "fd00:0:0:ffff::/64"]),
    ])
    func `slots are given in order until there are none`(ranges: [String], length: Int, slots: [String]) throws {
        var pool = try pool(ranges, length)
        let given = (0..<slots.count).map { pool.allocate(to: "node-\($0)") }
        #expect(try given == slots.map { try Self.prefix($0) })
        #expect(pool.allocate(to: "late") == nil)
        #expect(pool.count == slots.count)
    }

    @Test func `a pool of any size costs nothing`() throws {
        var pool = try pool(["fd00::/8"], 120)
        #expect(try pool.allocate(to: "a") == Self.prefix("fd00::/120"))
        #expect(try pool.allocate(to: "a") == Self.prefix("fd00::100/120"))
    }

    @Test(arguments: [
        ([], 24, "no range is given"),
        (["10.0.0.0/8", "fd00::/64"], 24, "different families"),
        (["10.0.0.0/8", "10.1.0.0/16"], 24, "overlap"),
        (["10.0.0.0/24"], 23, "from 24 to 30"),
        (["10.0.0.0/24"], 31, "from 24 to 30"),
        (["fd00::/64"], 127, "from 64 to 126"),
        (["127.0.0.0/8"], 24, "can't have"),
    ])
    func `ranges that can't be are refused with the reason`(ranges: [String], length: Int, words: String) throws {
        let prefixes = try ranges.map { try Self.prefix($0) }
        let error = #expect(throws: PrefixPoolError.self) { try PrefixPool(ranges: prefixes, length: length) }
        #expect("\(try #require(error))".contains(words))
    }

    @Test func `what was given back comes last, the one given back longest ago first`() throws {
        var pool = try pool(["10.0.0.0/22"], 24)
        let first = try given(&pool, "a")
        let second = try given(&pool, "b")
        #expect(release(&pool, second, of: "b") == true)
        #expect(release(&pool, first, of: "a") == true)
        #expect(release(&pool, first, of: "a") == false)
        #expect(try pool.allocate(to: "c") == Self.prefix("10.0.2.0/24"))
        #expect(try pool.allocate(to: "d") == Self.prefix("10.0.3.0/24"))
        #expect(pool.allocate(to: "e") == second)
        #expect(pool.allocate(to: "f") == first)
        #expect(pool.allocate(to: "g") == nil)
    }

    @Test func `who comes back gets what it had`() throws {
        var pool = try pool(["10.0.0.0/21"], 24)
        let mine = [try given(&pool, "a"), try given(&pool, "a")]
        for slot in mine { pool.release(slot, of: "a") }
        #expect(try pool.allocate(to: "b") == Self.prefix("10.0.2.0/24"))
        #expect(Set([pool.allocate(to: "a"), pool.allocate(to: "a")]) == Set(mine))
        #expect(try pool.allocate(to: "a") == Self.prefix("10.0.3.0/24"))
    }

    @Test func `who comes back does not get what another one has by now`() throws {
        var pool = try pool(["10.0.0.0/23"], 24)
        let first = try given(&pool, "a")
        _ = pool.allocate(to: "b")
        pool.release(first, of: "a")
        #expect(pool.allocate(to: "c") == first)
        #expect(pool.allocate(to: "a") == nil)
    }

    @Test(arguments: [
        // Wider than a slot, narrower, and one that is the whole range.
        ("10.0.0.0/23", ["10.0.2.0/24", "10.0.3.0/24"]),
        ("10.0.1.128/25", ["10.0.0.0/24", "10.0.2.0/24", "10.0.3.0/24"]),
        ("10.0.0.0/8", []),
        ("192.168.0.0/24", ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]),
    ])
    func `slots that a claim touches are not given`(claim: String, left: [String]) throws {
        var pool = try pool(["10.0.0.0/22"], 24)
        let claim = try Self.prefix(claim)
        try pool.claim(claim, for: "odd")
        var given: [Prefix] = []
        while let slot = pool.allocate(to: "node") { given.append(slot) }
        #expect(try given == left.map { try Self.prefix($0) })
        // Once it is gone they are free.
        #expect(release(&pool, claim, of: "odd") == true)
        while let slot = pool.allocate(to: "node") { given.append(slot) }
        #expect(given.count == 4 && Set(given).count == 4)
    }

    @Test func `a claim of what another one has is refused, and names it`() throws {
        var pool = try pool(["10.0.0.0/22"], 24)
        let slot = try given(&pool, "a")
        try pool.claim(slot, for: "a")
        for text in ["10.0.0.0/24", "10.0.0.0/23", "10.0.0.4/30"] {
            let wanted = try Self.prefix(text)
            #expect(throws: PrefixPoolError.taken(wanted, by: "a", as: slot)) { try pool.claim(wanted, for: "b") }
        }
        #expect(throws: PrefixPoolError.otherFamily(try Self.prefix("fd00::/64"))) {
            try pool.claim(try Self.prefix("fd00::/64"), for: "b")
        }
        #expect(throws: PrefixPoolError.self) { try pool.claim(.allIPv4, for: "b") }
        #expect(pool.owner(of: try Self.prefix("10.0.0.128/25")) == "a")
        #expect(pool.owner(of: try Self.prefix("10.0.1.0/24")) == nil)
        let others = [try Self.prefix("10.0.0.0/23"), try Self.prefix("10.1.0.0/24")]
        #expect(pool.isSlot(slot) && !others.contains { pool.isSlot($0) })
    }

    @Test func `after a restart it goes on behind what is in use, and comes back for the rest`() throws {
        var pool = try pool(["10.0.0.0/22"], 24)
        try pool.claim(try Self.prefix("10.0.1.0/24"), for: "a")
        pool.resumeAfterClaims()
        let rest = ["10.0.2.0/24", "10.0.3.0/24", "10.0.0.0/24"]
        let given = rest.map { _ in pool.allocate(to: "b") }
        #expect(try given == rest.map { try Self.prefix($0) })
        #expect(pool.allocate(to: "b") == nil)
    }

    @Test func `what was never used comes before what was given back, also where it was passed by`() throws {
        var pool = try pool(["10.0.0.0/22"], 24)
        try pool.claim(try Self.prefix("10.0.0.0/24"), for: "a")
        try pool.claim(try Self.prefix("10.0.2.0/24"), for: "b")
        pool.resumeAfterClaims()
        pool.release(try Self.prefix("10.0.0.0/24"), of: "a")
        let order = ["10.0.3.0/24", "10.0.1.0/24", "10.0.0.0/24"]
        let given = order.map { _ in pool.allocate(to: "c") }
        #expect(try given == order.map { try Self.prefix($0) })
    }

    /// Whatever happens, in whatever order.
    @Test(arguments: 0..<40) func `no address ever has two owners, and no slot is lost`(seed: UInt64) throws {
        var random = Walk(seed: seed)
        let isIPv4 = seed % 2 == 0
        let ranges = isIPv4 ? ["10.0.0.0/26", "10.0.1.0/27"] : ["fd00::/122", "fd00::1:0/123"]
        let length = isIPv4 ? 30 : 126
        let slotCount = 16 + 8
        var pool = try pool(ranges, length)
        var held: [(prefix: Prefix, owner: String)] = []
        for _ in 0..<1_500 {
            let owner = "node-\(Int.random(in: 0..<12, using: &random))"
            switch Int.random(in: 0..<10, using: &random) {
            case 0..<5:
                let slot = pool.allocate(to: owner)
                let blocked = Set(held.flatMap { Self.slots(of: $0.prefix, ranges: pool.ranges, length: length) })
                #expect((slot == nil) == (blocked.count == slotCount))
                if let slot {
                    #expect(!held.contains { $0.prefix.overlaps(slot) })
                    held.append((slot, owner))
                }
            case 5..<9:
                guard let index = held.indices.randomElement(using: &random) else { continue }
                let (prefix, owner) = held.remove(at: index)
                #expect(release(&pool, prefix, of: owner + "x") == false)
                #expect(release(&pool, prefix, of: owner) == true)
            default:
                let base = try #require(pool.ranges.randomElement(using: &random))
                let address = try #require(base.address.advanced(by: .random(in: 0..<64, using: &random)))
                let claim = try #require(
                    Prefix(address, length: .random(in: (length - 3)...(length + 2), using: &random)))
                let isHeld = held.contains { $0.prefix == claim && $0.owner == owner }
                let isFree = !held.contains { $0.prefix.overlaps(claim) }
                do {
                    try pool.claim(claim, for: owner)
                    #expect(isHeld || isFree)
                    if isFree { held.append((claim, owner)) }
                } catch {
                    #expect(!isFree)
                }
            }
            #expect(pool.count == held.count)
        }
        for (prefix, owner) in held {
            #expect(pool.owner(of: prefix) == owner)
            pool.release(prefix, of: owner)
        }
        var given: Set<Prefix> = []
        while let slot = pool.allocate(to: "last") { #expect(given.insert(slot).inserted) }
        #expect(given.count == slotCount)
    }

    private static func slots(of prefix: Prefix, ranges: [Prefix], length: Int) -> [Prefix] {
        ranges.flatMap { range -> [Prefix] in
            let step = UInt64(1) << UInt64((range.isIPv4 ? 32 : 128) - length)
            return stride(from: 0, to: range.addressCount, by: Int(step)).compactMap { offset in
                range.address.advanced(by: offset).flatMap { Prefix($0, length: length) }
            }.filter { $0.overlaps(prefix) }
        }
    }

    @Test func `five thousand nodes come, go and come again within moments`() throws {
        var pool = try pool(["10.0.0.0/8"], 24)
        var held: [(Prefix, String)] = []
        for number in 0..<5_000 {
            let name = "node-\(number)"
            held.append((try given(&pool, name), name))
        }
        let start = ContinuousClock.now
        var restored = try self.pool(["10.0.0.0/8"], 24)
        for (slot, name) in held.shuffled() { try restored.claim(slot, for: name) }
        restored.resumeAfterClaims()
        for round in 0..<20_000 {
            let (slot, name) = held[round % held.count]
            restored.release(slot, of: name)
            held[round % held.count].0 = try given(&restored, "\(name)-\(round)")
            held[round % held.count].1 = "\(name)-\(round)"
        }
        // Generous: a debug build on a busy machine. Anything that looks at all slots for each takes minutes.
        #expect(start.duration(to: .now) < .seconds(30))
        #expect(restored.count == 5_000)
    }
}

private struct Walk: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
    }

    mutating func next() -> UInt64 {
        state ^= state >> 12
        state ^= state << 25
        state ^= state >> 27
        return state &* 0x2545_f491_4f6c_dd1d
    }
}

// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import IPAM

@Suite struct AddressPoolRestoreTests {
    private func ranges(_ texts: String...) throws -> [AddressRange] { try texts.map { try AddressRange($0) } }

    @Test func `a restored pool goes on where the old one was`() throws {
        let ranges = try ranges("10.1.0.0/29", "10.2.0.0/30")
        var pool = try AddressPool(ranges: ranges)
        for owner in ["a", "b", "c", "d"] { _ = try pool.allocate(to: owner) }
        pool.release(owner: "c")
        pool.release(owner: "a")

        var restored = try AddressPool(ranges: ranges, restoring: pool.snapshot)
        for (address, owner) in pool.leases { try restored.claim(address, for: owner) }
        #expect(restored.snapshot == pool.snapshot)
        #expect(restored.leases == pool.leases)
        for number in 0..<6 { #expect(try restored.allocate(to: "x\(number)") == pool.allocate(to: "x\(number)")) }
        #expect(restored.isExhausted)
    }

    @Test func `an address that an outdated snapshot lost is given again, after the unused and before the released`()
        throws
    {
        let ranges = try ranges("10.1.0.0/29")
        var pool = try AddressPool(ranges: ranges)
        for owner in ["a", "b", "c", "d"] { _ = try pool.allocate(to: owner) }
        pool.release(owner: "a")
        let outdated = pool.snapshot
        // b is released, but the node stops before that was written down; d is still there.
        var restored = try AddressPool(ranges: ranges, restoring: outdated)
        for owner in ["c", "d"] { try restored.claim(try #require(pool.address(of: owner)), for: owner) }
        let given = try (0..<4).map { try restored.allocate(to: "x\($0)").description }
        #expect(given == ["10.1.0.5", "10.1.0.6", "10.1.0.2", "10.1.0.1"])
        #expect(restored.isExhausted)
    }

    @Test func `a snapshot of before the last allocation does not hand it out again`() throws {
        let ranges = try ranges("10.1.0.0/29")
        var pool = try AddressPool(ranges: ranges)
        let outdated = pool.snapshot
        let given = try pool.allocate(to: "a")
        var restored = try AddressPool(ranges: ranges, restoring: outdated)
        try restored.claim(given, for: "a")
        #expect(try restored.allocate(to: "b").description == "10.1.0.2")
    }

    @Test func `positions and addresses of other ranges are ignored`() throws {
        var old = try AddressPool(ranges: try ranges("10.9.0.0/29", "10.1.0.0/29"))
        for owner in 0..<8 { _ = try old.allocate(to: "\(owner)") }
        for owner in 0..<8 { old.release(owner: "\(owner)") }
        #expect(old.snapshot.positions.map(\.next?.description) == [nil, "10.1.0.3"])
        var restored = try AddressPool(ranges: try ranges("10.1.0.0/29"), restoring: old.snapshot)
        #expect(restored.snapshot.released.map(\.description) == ["10.1.0.1", "10.1.0.2"])
        #expect(try restored.allocate(to: "a").description == "10.1.0.3")
    }

    @Test func `a position outside its range counts as nothing used`() throws {
        let ranges = try ranges("10.1.0.0/29")
        let wrong = AddressPool.Snapshot(
            positions: [.init(range: ranges[0].prefix, next: IPAddress("10.7.0.1"))],
            released: [IPAddress(v4: 0x0a01_0007)])
        var pool = try AddressPool(ranges: ranges, restoring: wrong)
        #expect(pool.snapshot.released.isEmpty, "the broadcast address is no pod's")
        #expect(try pool.allocate(to: "a").description == "10.1.0.1")
    }

    @Test func `the release queue forgets what was claimed out of it`() throws {
        var queue = ReleaseQueue()
        let addresses = (1...3).map { IPAddress(v4: UInt32($0)) }
        for _ in 0..<10_000 {
            for address in addresses { queue.append(address) }
            queue.remove(addresses[1])
        }
        #expect(queue.storedCount < 100)
        #expect(queue.inOrder == [addresses[0], addresses[2]])
        #expect(queue.popFirst() == addresses[0])
        #expect(queue.popFirst() == addresses[2])
        #expect(queue.popFirst() == nil)
    }

    /// Against a list kept by hand: never twice, never lost, oldest released first.
    @Test(arguments: 0..<20 as Range<UInt64>) func `random use agrees with a plain list`(seed: UInt64) throws {
        var random = SplitMix(state: seed)
        let ranges = try ranges("10.1.0.0/27", "10.2.0.0/28")
        var pool = try AddressPool(ranges: ranges)
        var unused = ranges.flatMap { range in (0..<range.size).map { range.address(at: $0) } }
        var freed: [IPAddress] = []
        var held: [String: IPAddress] = [:]
        for step in 0..<3000 {
            let owner = "pod\(random.next() % 60)"
            switch random.next() % 8 {
            case 0...3:
                let expected = held[owner] ?? unused.first ?? freed.first
                guard let expected else {
                    #expect(throws: AddressPoolError.self) { try pool.allocate(to: owner) }
                    continue
                }
                #expect(try pool.allocate(to: owner) == expected, "step \(step)")
                held[owner] = expected
                unused.removeAll { $0 == expected }
                freed.removeAll { $0 == expected }
            case 4, 5:
                #expect(pool.release(owner: owner) == held[owner])
                if let address = held.removeValue(forKey: owner) { freed.append(address) }
            case 6:
                let range = ranges[Int(random.next() % 2)]
                let address = range.address(at: random.next() % range.size)
                guard held[owner] == nil, !held.values.contains(address) else { continue }
                try pool.claim(address, for: owner)
                held[owner] = address
                unused.removeAll { $0 == address }
                freed.removeAll { $0 == address }
            default:
                guard step % 50 == 0 else { continue }
                var restored = try AddressPool(ranges: ranges, restoring: pool.snapshot)
                for (address, owner) in pool.leases { try restored.claim(address, for: owner) }
                pool = restored
            }
            #expect(pool.used == UInt64(held.count))
        }
    }
}

/// Repeatable random numbers.
private struct SplitMix {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }
}

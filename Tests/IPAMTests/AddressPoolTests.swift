// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import IPAM

@Suite struct AddressPoolTests {
    private func pool(_ texts: String...) throws -> AddressPool {
        try AddressPool(ranges: texts.map { try AddressRange($0) })
    }

    private func address(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    @Test func `addresses come in order, range after range`() throws {
        var pool = try pool("10.1.0.8/30", "10.2.0.0/30")
        let given = try (0..<4).map { try pool.allocate(to: "pod\($0)").description }
        #expect(given == ["10.1.0.9", "10.1.0.10", "10.2.0.1", "10.2.0.2"])
    }

    @Test func `an owner keeps its address when it asks again`() throws {
        var pool = try pool("10.1.0.0/24")
        let first = try pool.allocate(to: "a")
        #expect(try pool.allocate(to: "a") == first)
        #expect(pool.used == 1)
        #expect(pool.owner(of: first) == "a")
        #expect(pool.address(of: "a") == first)
    }

    @Test func `released addresses come last, the one released longest ago first`() throws {
        var pool = try pool("10.1.0.0/29")
        for owner in ["a", "b", "c"] { _ = try pool.allocate(to: owner) }
        pool.release(owner: "b")
        pool.release(owner: "a")
        let given = try (0..<5).map { try pool.allocate(to: "next\($0)").description }
        #expect(given == ["10.1.0.4", "10.1.0.5", "10.1.0.6", "10.1.0.2", "10.1.0.1"])
    }

    @Test func `release says who had the address and has no effect twice`() throws {
        var pool = try pool("10.1.0.0/24")
        let given = try pool.allocate(to: "a")
        #expect(pool.release(given) == "a")
        #expect(pool.release(given) == nil)
        #expect(pool.release(owner: "a") == nil)
        #expect(pool.used == 0)
        #expect(pool.snapshot.released == [given])
    }

    @Test func `an exhausted pool names ranges, sizes and use, and recovers with a release`() throws {
        var pool = try pool("10.1.0.8/30", "10.2.0.9/32")
        for owner in 0..<3 { _ = try pool.allocate(to: "\(owner)") }
        let error = try #require(throws: AddressPoolError.self) { try pool.allocate(to: "x") }
        #expect(error.description == "no free address: 10.1.0.8/30 (2 of 2 used), 10.2.0.9/32 (1 of 1 used)")
        #expect(try pool.allocate(to: "1") == address("10.1.0.10"), "who has an address is still served")
        pool.release(owner: "1")
        #expect(pool.usage.map(\.used) == [1, 1])
        #expect(try pool.allocate(to: "x") == address("10.1.0.10"))
    }

    @Test func `a claimed address is not given to another`() throws {
        var pool = try pool("10.1.0.0/29")
        try pool.claim(address("10.1.0.2"), for: "old")
        try pool.claim(address("10.1.0.2"), for: "old")
        #expect(pool.used == 1)
        let given = try (0..<5).map { try pool.allocate(to: "\($0)").description }
        #expect(given == ["10.1.0.1", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"])
        #expect(throws: AddressPoolError.self) { try pool.allocate(to: "x") }
    }

    @Test func `an address claimed ahead and released is used last all the same`() throws {
        var pool = try pool("10.1.0.0/29")
        try pool.claim(address("10.1.0.2"), for: "old")
        pool.release(owner: "old")
        let given = try (0..<6).map { try pool.allocate(to: "\($0)").description }
        #expect(given == ["10.1.0.1", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6", "10.1.0.2"])
    }

    @Test func `a released address can be claimed back`() throws {
        var pool = try pool("10.1.0.8/30")
        let first = try pool.allocate(to: "a")
        let second = try pool.allocate(to: "b")
        pool.release(owner: "a")
        pool.release(owner: "b")
        try pool.claim(first, for: "a")
        #expect(pool.snapshot.released == [second])
        #expect(try pool.allocate(to: "c") == second)
        #expect(throws: AddressPoolError.self) { try pool.allocate(to: "d") }
    }

    @Test(arguments: [
        ("10.1.0.1", "b", "address 10.1.0.1 is in use by a"),
        ("10.1.0.2", "a", "a has address 10.1.0.1 and can't have 10.1.0.2 too"),
    ])
    func `a claim that can't be is refused and changes nothing`(text: String, owner: String, message: String) throws {
        var pool = try pool("10.1.0.0/24", "10.2.0.0/24")
        _ = try pool.allocate(to: "a")
        let before = pool.leases
        let error = try #require(throws: AddressPoolError.self) { try pool.claim(address(text), for: owner) }
        #expect(error.description == message)
        #expect(pool.leases == before)
    }

    @Test(arguments: [
        (["10.1.0.0/24", "10.1.0.0/16"], "pod ranges 10.1.0.0/24 and 10.1.0.0/16 overlap"),
        (["10.1.0.0/24", "10.1.0.0/24"], "pod ranges 10.1.0.0/24 and 10.1.0.0/24 overlap"),
        (
            ["10.1.0.0/24", "fd00::/64"],
            "pod ranges 10.1.0.0/24 and fd00::/64 are of different families and can't share a pool"
        ),
        (["10.1.0.0/24", "10.2.0.4/30"], "pod range 10.2.0.4/30 is too small: 2 usable, at least 4 needed"),
        ([], "no pod address range is given"),
    ])
    func `ranges that don't fit together are refused by name`(texts: [String], message: String) throws {
        let error = try #require(throws: AddressPoolError.self) {
            try AddressPool(ranges: texts.map { try AddressRange($0) }, minimumSize: 4)
        }
        #expect(error.description == message)
    }

    @Test(arguments: ["10.0.0.0/8", "fd00:1::/64", "fd00::/48"])
    func `a huge range costs nothing until it is used`(text: String) throws {
        var pool = try pool(text)
        var given: Set<IPAddress> = []
        for number in 0..<2000 { given.insert(try pool.allocate(to: "\(number)")) }
        #expect(given.count == 2000)
        #expect(pool.free == pool.size - 2000)
        #expect(!pool.isExhausted)
    }

    @Test func `every address of a full range is given exactly once`() throws {
        var pool = try pool("10.1.0.0/18")
        var given: Set<IPAddress> = []
        for number in 0..<16382 { given.insert(try pool.allocate(to: "\(number)")) }
        #expect(given.count == 16382)
        #expect(pool.isExhausted && pool.free == 0)
        #expect(!given.contains(try address("10.1.0.0")))
        #expect(!given.contains(try address("10.1.63.255")))
    }
}

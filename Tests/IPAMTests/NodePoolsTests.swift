// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import IPAM

@Suite struct NodePoolsTests {
    @Test func `a pod gets one address of each family`() throws {
        var pools = try NodePools(ranges: ["fd00:1::/64", "10.1.0.0/24"])
        let given = try pools.allocate(to: "pod")
        #expect(given.ipv4?.description == "10.1.0.1")
        #expect(given.ipv6?.description == "fd00:1::1")
        #expect(try pools.allocate(to: "pod") == given)
        #expect(pools.owner(of: try #require(given.ipv6)) == "pod")
        #expect(pools.owners == ["pod"])
        #expect(pools.release(owner: "pod") == given)
        #expect(pools.release(owner: "pod") == PodAddresses())
        #expect(pools.owners.isEmpty)
    }

    @Test(arguments: [("10.1.0.0/24", true), ("fd00:1::/64", false)])
    func `a node of one family gives that family`(range: String, isIPv4: Bool) throws {
        var pools = try NodePools(ranges: [range])
        let given = try pools.allocate(to: "pod")
        #expect((given.ipv4 != nil) == isIPv4)
        #expect((given.ipv6 == nil) == isIPv4)
    }

    @Test(arguments: [["10.1.0.8/31", "fd00::/127"], ["10.1.0.0/24", "fd00::/127"], ["10.1.0.8/31", "fd00::/64"]])
    func `nothing is taken of one family when the other is used up`(ranges: [String]) throws {
        var pools = try NodePools(ranges: ranges)
        _ = try pools.allocate(to: "a")
        _ = try pools.allocate(to: "b")
        let before = pools.snapshot
        #expect(throws: AddressPoolError.self) { try pools.allocate(to: "c") }
        #expect(pools.snapshot == before)
        #expect(pools.addresses(of: "c") == PodAddresses())
        #expect(pools.usage.map(\.used) == [2, 2])
    }

    @Test func `a claim takes both addresses or neither`() throws {
        var pools = try NodePools(ranges: ["10.1.0.0/24", "fd00::/64"])
        let taken = try pools.allocate(to: "a")
        let wrong = PodAddresses(ipv4: IPAddress("10.1.0.9"), ipv6: taken.ipv6)
        #expect(throws: AddressPoolError.self) { try pools.claim(wrong, for: "b") }
        #expect(pools.addresses(of: "b") == PodAddresses())
        try pools.claim(PodAddresses(ipv4: IPAddress("10.1.0.9"), ipv6: IPAddress("fd00::9")), for: "b")
        #expect(pools.addresses(of: "b").ipv6?.description == "fd00::9")
    }

    @Test func `a pod keeps what it has, also where that is in no range`() throws {
        var pools = try NodePools(ranges: ["10.1.0.0/29"])
        let old = PodAddresses(ipv4: IPAddress("10.1.0.2"), ipv6: IPAddress("fd00::9"))
        try pools.claim(old, for: "a")
        #expect(!pools.contains(old))
        #expect(pools.addresses(of: "a") == old)
        let given = try (0..<5).map { try pools.allocate(to: "\($0)").ipv4?.description }
        #expect(given == ["10.1.0.1", "10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6"])
        #expect(pools.usage.map(\.used) == [6])
        #expect(pools.release(owner: "a") == old)
        #expect(try pools.allocate(to: "b").ipv4 == old.ipv4)
    }

    @Test func `a restored node goes on where it was`() throws {
        var pools = try NodePools(ranges: ["10.1.0.0/24", "fd00::/64"])
        _ = try pools.allocate(to: "a")
        let kept = try pools.allocate(to: "b")
        pools.release(owner: "a")
        var restored = try NodePools(ranges: ["10.1.0.0/24", "fd00::/64"], restoring: pools.snapshot)
        try restored.claim(kept, for: "b")
        #expect(restored.snapshot == pools.snapshot)
        #expect(try restored.allocate(to: "c").ipv6?.description == "fd00::3")
    }

    @Test func `ranges may come late, and go on where an earlier node was`() throws {
        var earlier = try NodePools(ranges: ["10.1.0.0/24"])
        for owner in ["a", "b", "c"] { _ = try earlier.allocate(to: owner) }
        earlier.release(owner: "b")

        var pools = NodePools()
        #expect(!pools.hasRanges)
        #expect(throws: AddressPoolError.noRanges) { try pools.allocate(to: "x") }
        try pools.claim(PodAddresses(ipv4: IPAddress("10.1.0.1")), for: "a")
        try pools.claim(PodAddresses(ipv4: IPAddress("10.1.0.3")), for: "c")
        try pools.setRanges(prefixes("10.1.0.0/24", "fd00::/64"), restoring: earlier.snapshot)
        #expect(pools.usage.map(\.used) == [2, 0])
        let given = try pools.allocate(to: "d")
        #expect(given == PodAddresses(ipv4: IPAddress("10.1.0.4"), ipv6: IPAddress("fd00::1")))
    }

    @Test func `ranges may grow while addresses are in use`() throws {
        var pools = try NodePools(ranges: ["10.1.0.0/30"])
        for owner in ["a", "b"] { _ = try pools.allocate(to: owner) }
        #expect(throws: AddressPoolError.self) { try pools.allocate(to: "c") }
        try pools.setRanges(prefixes("10.1.0.0/30", "10.2.0.0/30"))
        #expect(try pools.allocate(to: "c").ipv4?.description == "10.2.0.1")
        pools.release(owner: "a")
        // One range in the place of a smaller one that it holds.
        try pools.setRanges(prefixes("10.1.0.0/29", "10.2.0.0/30"))
        #expect(pools.usage.map(\.used) == [1, 1])
        let given = try (0..<6).map { try pools.allocate(to: "\($0)").ipv4?.description }
        #expect(given == ["10.1.0.3", "10.1.0.4", "10.1.0.5", "10.1.0.6", "10.2.0.2", "10.1.0.1"])
        #expect(throws: AddressPoolError.self) { try pools.allocate(to: "x") }
    }

    @Test func `of a range that is taken away no new address comes, and pods keep theirs`() throws {
        var pools = try NodePools(ranges: ["10.1.0.0/24", "10.2.0.0/24"])
        let first = try pools.allocate(to: "a")
        let freed = try pools.allocate(to: "b")
        pools.release(owner: "b")
        try pools.setRanges(prefixes("10.2.0.0/24"))
        #expect(pools.addresses(of: "a") == first)
        #expect(pools.usage.map(\.used) == [0])
        #expect(try pools.allocate(to: "c").ipv4?.description == "10.2.0.1")
        pools.release(owner: "a")
        #expect(pools.snapshot.ipv4?.released.isEmpty == true)
        #expect(freed.ipv4.flatMap(pools.owner) == nil)
        try pools.setRanges([])
        #expect(!pools.hasRanges)
        #expect(pools.addresses(of: "c").ipv4?.description == "10.2.0.1")
        #expect(throws: AddressPoolError.noRanges) { try pools.allocate(to: "d") }
    }

    @Test(arguments: [["10.1.0.0/24", "10.1.0.0/25"], ["10.2.0.0/24", "169.254.0.0/24"], ["fd00::/64", "fd00::/80"]])
    func `ranges that can't be change nothing`(ranges: [String]) throws {
        var pools = try NodePools(ranges: ["10.1.0.0/24", "fd00::/64"])
        _ = try pools.allocate(to: "a")
        let before = pools.snapshot
        #expect(throws: AddressPoolError.self) { try pools.setRanges(ranges.compactMap { Prefix($0) }) }
        #expect(pools.snapshot == before)
    }

    private func prefixes(_ texts: String...) -> [Prefix] { texts.compactMap { Prefix($0) } }

    @Test(arguments: [
        ([], "no pod address range is given"),
        (["10.1.0.0/24", "fd00::/64", "10.1.0.128/25"], "pod ranges 10.1.0.0/24 and 10.1.0.128/25 overlap"),
        (["10.1.0.3/24"], "pod range 10.1.0.3/24 has bits set after its prefix length; the range is 10.1.0.0/24"),
    ])
    func `bad settings are refused`(ranges: [String], message: String) throws {
        let error = try #require(throws: AddressPoolError.self) { try NodePools(ranges: ranges) }
        #expect(error.description == message)
    }
}

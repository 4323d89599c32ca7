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

    @Test func `a claim of a family without ranges is refused`() throws {
        var pools = try NodePools(ranges: ["10.1.0.0/24"])
        let error = try #require(throws: AddressPoolError.self) {
            try pools.claim(PodAddresses(ipv6: IPAddress("fd00::9")), for: "b")
        }
        #expect(error.description == "no pod range of the family of fd00::9 is given")
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

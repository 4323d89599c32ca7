// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@Suite struct PrefixTests {
    @Test(
        arguments: [
            ("10.1.2.3/8", "10.0.0.0/8", 8, 104), ("10.1.2.3/32", "10.1.2.3/32", 32, 128),
            ("1.2.3.4/0", "0.0.0.0/0", 0, 96),
            ("255.255.255.255/31", "255.255.255.254/31", 31, 127), ("2001:db8::1/32", "2001:db8::/32", 32, 32),
            ("::/0", "::/0", 0, 0), ("::1/128", "::1/128", 128, 128), ("ffff::/1", "8000::/1", 1, 1),
            ("fd00::ffff:ffff:ffff:ffff/64", "fd00::/64", 64, 64),
            ("fd00::ffff:ffff:ffff:ffff/65", "fd00::8000:0:0:0/65", 65, 65),
            ("::ffff:10.1.2.3/104", "10.0.0.0/8", 8, 104), ("::ffff:10.1.2.3/128", "10.1.2.3/32", 32, 128),
            ("::ffff:0.0.0.0/96", "0.0.0.0/0", 0, 96), ("::ffff:1.2.3.4/90", "::ffc0:0:0/90", 90, 90),
        ] as [(String, String, Int, Int)])
    func `text is read and masked`(text: String, printed: String, length: Int, mappedLength: Int) throws {
        let prefix = try #require(Prefix(text))
        #expect(prefix.description == printed)
        #expect(prefix.length == length)
        #expect(prefix.mappedLength == mappedLength)
        #expect(Prefix(printed) == prefix)
    }

    @Test(arguments: [
        "", "/", "/8", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/+8", "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0.0/8 ", "10.0.0/8", "::/129", "::/1000", "::/", "fe80::%1/64", "10.0.0.0/255.0.0.0",
        "::ffff:1.2.3.4/129", "::/００",
    ])
    func `what is no prefix is refused`(text: String) {
        #expect(Prefix(text) == nil)
    }

    @Test(arguments: [("10.0.0.1", -1), ("10.0.0.1", 33), ("::1", -1), ("::1", 129)])
    func `a length outside the family's is refused`(address: String, length: Int) throws {
        #expect(Prefix(try #require(IPAddress(address)), length: length) == nil)
    }

    @Test func `the two families never contain each other`() throws {
        let mapped = try #require(IPAddress("10.0.0.1"))
        let outside = try #require(IPAddress("2001:db8::1"))
        #expect(!Prefix.allIPv6.contains(mapped))
        #expect(!Prefix.allIPv4.contains(outside))
        #expect(Prefix.allIPv6.contains(outside))
        #expect(Prefix.allIPv4.contains(mapped))
        #expect(!Prefix.allIPv6.contains(.allIPv4))
        #expect(!Prefix.allIPv6.overlaps(.allIPv4))
        #expect(try !#require(Prefix("::/90")).contains(mapped))
    }

    @Test func `containment agrees with comparing bit by bit`() {
        var random = SplitMix(seed: 5)
        var hits = 0
        for _ in 0..<20_000 {
            let (a, b) = (random.crowdedPrefix(), random.crowdedPrefix())
            let expected = reference(a, contains: b.address) && b.length >= a.length
            #expect(a.contains(b) == expected)
            #expect(a.contains(b.address) == reference(a, contains: b.address))
            #expect(a.overlaps(b) == (expected || reference(b, contains: a.address) && a.length >= b.length))
            hits += expected ? 1 : 0
        }
        #expect(hits > 1000)
    }

    private func reference(_ prefix: Prefix, contains address: IPAddress) -> Bool {
        let (a, b) = (prefix.address.bytes, address.bytes)
        return a.count == b.count && bits(a).prefix(prefix.length) == bits(b).prefix(prefix.length)
    }

    private func bits(_ bytes: [UInt8]) -> [Bool] {
        bytes.flatMap { byte in (0..<8).map { byte & 0x80 >> $0 != 0 } }
    }

    @Test(
        arguments: [
            ("10.0.0.0/8", "10.255.255.255", 1 << 24), ("0.0.0.0/0", "255.255.255.255", 1 << 32),
            ("1.2.3.4/32", "1.2.3.4", 1),
            ("fd00::/120", "fd00::ff", 256), ("fd00::/64", "fd00::ffff:ffff:ffff:ffff", .max),
            ("fd00::/65", "fd00::7fff:ffff:ffff:ffff", 1 << 63),
            ("::/0", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", .max),
        ] as [(String, String, UInt64)])
    func `last address and count`(text: String, last: String, count: UInt64) throws {
        let prefix = try #require(Prefix(text))
        #expect(prefix.lastAddress.description == last)
        #expect(prefix.addressCount == count)
    }

    @Test func `a prefix sorts before what it covers`() throws {
        let sorted = [
            "10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/32", "10.0.0.1/32", "10.1.0.0/16", "fd00::/8", "fd00::/64",
        ]
        let prefixes = try sorted.reversed().map { try #require(Prefix($0)) }.sorted()
        #expect(prefixes.map(\.description) == sorted)
    }
}

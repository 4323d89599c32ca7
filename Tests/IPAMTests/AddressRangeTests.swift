// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import IPAM

@Suite struct AddressRangeTests {
    @Test(
        arguments: [
            ("10.1.0.0/24", 254, "10.1.0.1", "10.1.0.254"),
            ("10.1.0.0/16", 65534, "10.1.0.1", "10.1.255.254"),
            ("10.1.0.8/30", 2, "10.1.0.9", "10.1.0.10"),
            ("10.1.0.8/31", 2, "10.1.0.8", "10.1.0.9"),
            ("10.1.0.8/32", 1, "10.1.0.8", "10.1.0.8"),
            ("fd00::/120", 255, "fd00::1", "fd00::ff"),
            ("fd00::4/126", 3, "fd00::5", "fd00::7"),
            ("fd00::4/127", 2, "fd00::4", "fd00::5"),
            ("fd00::4/128", 1, "fd00::4", "fd00::4"),
            ("fd00:1::/64", UInt64.max, "fd00:1::1", "fd00:1::ffff:ffff:ffff:ffff"),
            ("fd00:100::/56", UInt64.max, "fd00:100::1", "fd00:100::ffff:ffff:ffff:ffff"),
        ] as [(String, UInt64, String, String)])
    func `usable addresses leave out network, broadcast and anycast`(
        text: String, size: UInt64, first: String, last: String
    ) throws {
        let range = try AddressRange(text)
        #expect(range.size == size)
        #expect(range.address(at: 0).description == first)
        #expect(range.address(at: size - 1).description == last)
    }

    @Test(arguments: ["10.1.0.0/24", "10.1.0.8/31", "fd00::/120", "fd00:1::/64", "fd00:0:0:ff00::/56"])
    func `an address and its number are inverse`(text: String) throws {
        let range = try AddressRange(text)
        for number in [0, 1, range.size / 2, range.size - 1] where number < range.size {
            #expect(range.number(of: range.address(at: number)) == number)
        }
    }

    @Test func `what is not usable has no number`() throws {
        let range = try AddressRange("10.1.0.0/24")
        for text in ["10.1.0.0", "10.1.0.255", "10.0.255.255", "10.1.1.0", "fd00::1"] {
            #expect(range.number(of: try #require(IPAddress(text))) == nil, "\(text)")
        }
        let wide = try AddressRange("fd00:100::/56")
        #expect(wide.number(of: try #require(IPAddress("fd00:100::"))) == nil)
        #expect(wide.number(of: try #require(IPAddress("fd00:100:0:1::"))) == nil)
        #expect(wide.number(of: try #require(IPAddress("fd00:100:0:1::5"))) == nil)
    }

    @Test(arguments: [
        ("10.1.0.0", "pod range \"10.1.0.0\" is not an address range such as 10.1.0.0/24 or fd00:1::/64"),
        ("10.1.0.0/33", "pod range \"10.1.0.0/33\" is not an address range such as 10.1.0.0/24 or fd00:1::/64"),
        ("", "pod range \"\" is not an address range such as 10.1.0.0/24 or fd00:1::/64"),
        ("10.1.0.7/24", "pod range 10.1.0.7/24 has bits set after its prefix length; the range is 10.1.0.0/24"),
        ("fd00::1/64", "pod range fd00::1/64 has bits set after its prefix length; the range is fd00::/64"),
        ("127.1.0.0/16", "pod range 127.1.0.0/16 shares addresses with 127.0.0.0/8, which pods can't have"),
        ("0.0.0.0/0", "pod range 0.0.0.0/0 shares addresses with 0.0.0.0/8, which pods can't have"),
        ("169.254.4.0/24", "pod range 169.254.4.0/24 shares addresses with 169.254.0.0/16, which pods can't have"),
        ("224.0.0.0/8", "pod range 224.0.0.0/8 shares addresses with 224.0.0.0/4, which pods can't have"),
        ("fe80::/64", "pod range fe80::/64 shares addresses with fe80::/10, which pods can't have"),
        ("::fffe:0:0/95", "pod range ::fffe:0:0/95 shares addresses with ::/8, which pods can't have"),
        ("::/0", "pod range ::/0 shares addresses with ::/8, which pods can't have"),
    ])
    func `a bad range is refused by name`(text: String, message: String) throws {
        let error = try #require(throws: AddressPoolError.self) { try AddressRange(text) }
        #expect(error.description == message)
    }
}

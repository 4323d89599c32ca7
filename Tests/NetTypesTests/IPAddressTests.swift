// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@Suite struct IPAddressTests {
    @Test(
        arguments: [
            ("0.0.0.0", 0), ("255.255.255.255", 0xffff_ffff), ("10.0.0.1", 0x0a00_0001), ("1.2.3.4", 0x0102_0304),
            ("::ffff:1.2.3.4", 0x0102_0304), ("::FFFF:102:304", 0x0102_0304),
            ("0:0:0:0:0:ffff:192.168.0.1", 0xc0a8_0001),
        ] as [(String, UInt32)])
    func `IPv4 text and its mapped forms are one address`(text: String, value: UInt32) throws {
        let address = try #require(IPAddress(text))
        #expect(address == IPAddress(v4: value))
        #expect(address.isIPv4)
        #expect(address.v4 == value)
        #expect(address.high == 0)
        #expect(address.low == 0xffff_0000_0000 | UInt64(value))
        #expect(address.bitWidth == 32)
    }

    @Test(
        arguments: [
            ("::", 0, 0, "::"),
            ("::1", 0, 1, "::1"),
            ("1::", 0x0001_0000_0000_0000, 0, "1::"),
            ("2001:db8::1", 0x2001_0db8_0000_0000, 1, "2001:db8::1"),
            ("2001:DB8:0:0:0:0:0:1", 0x2001_0db8_0000_0000, 1, "2001:db8::1"),
            ("2001:db8:0:0:1:0:0:1", 0x2001_0db8_0000_0000, 0x0001_0000_0000_0001, "2001:db8::1:0:0:1"),
            ("2001:0:0:1:0:0:0:1", 0x2001_0000_0000_0001, 1, "2001:0:0:1::1"),
            ("2001:db8:0:1:1:1:1:1", 0x2001_0db8_0000_0001, 0x0001_0001_0001_0001, "2001:db8:0:1:1:1:1:1"),
            ("1:2:3:4:5:6:7::", 0x0001_0002_0003_0004, 0x0005_0006_0007_0000, "1:2:3:4:5:6:7:0"),
            ("::2:3:4:5:6:7:8", 0x0000_0002_0003_0004, 0x0005_0006_0007_0008, "0:2:3:4:5:6:7:8"),
            ("1:2:3:4:5:6:7:8", 0x0001_0002_0003_0004, 0x0005_0006_0007_0008, "1:2:3:4:5:6:7:8"),
            ("fe80::a:b", 0xfe80_0000_0000_0000, 0x000a_000b, "fe80::a:b"),
            ("::1.2.3.4", 0, 0x0102_0304, "::102:304"),
            ("64:ff9b::1.2.3.4", 0x0064_ff9b_0000_0000, 0x0102_0304, "64:ff9b::102:304"),
            ("1:2:3:4:5:6:1.2.3.4", 0x0001_0002_0003_0004, 0x0005_0006_0102_0304, "1:2:3:4:5:6:102:304"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255", .max, .max, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            ("0:0:0:1::", 1, 0, "0:0:0:1::"),
            ("1:0:0:0:1::", 0x0001_0000_0000_0000, 0x0001_0000_0000_0000, "1::1:0:0:0"),
            ("::fffe:1.2.3.4", 0, 0xfffe_0102_0304, "::fffe:102:304"),
            ("::ffff:0:1.2.3.4", 0, 0xffff_0000_0102_0304, "::ffff:0:102:304"),
        ] as [(String, UInt64, UInt64, String)])
    func `IPv6 text is read as RFC 4291 and printed as RFC 5952`(
        text: String, high: UInt64, low: UInt64, printed: String
    ) throws {
        let address = try #require(IPAddress(text))
        #expect((address.high, address.low) == (high, low))
        #expect(!address.isIPv4)
        #expect(address.v4 == nil)
        #expect(address.description == printed)
        #expect(IPAddress(printed) == address)
    }

    @Test(arguments: [
        "", " ", "1", "1.2", "1.2.3", "1.2.3.", ".1.2.3.4", "1.2.3.4.", "1.2.3.4.5", "1..2.3", "256.1.1.1", "1.1.1.256",
        "01.2.3.4", "1.2.3.04", "00.0.0.0", "1.2.3.4 ", " 1.2.3.4", "+1.2.3.4", "-1.2.3.4", "0x1.2.3.4", "1.2.3.a",
        "1.2.3.4/24", "1.2.3.1000", "999999999999999999999.1.1.1", "1.2.3.4\n", "１.2.3.4",
        ":", ":::", "1:", ":1", "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1:2:3:4:5:6:7:8::",
        "::1:2:3:4:5:6:7:8",
        "12345::", "g::", "1:2:3:4:5:6:7:", "::1:", "fe80::1%eth0", "::1.2.3", "::1.2.3.4.5", "::1.2.3.4:5",
        "1.2.3.4::",
        "1:2:3:4:5:6:7:1.2.3.4", "::ffff:1.2.3.256", "::ffff:01.2.3.4", "[::1]", "::/0", "1:::2", "1:2:3:4::5:6:7:8",
        "0000:0000:0000:0000:0000:0000:0000:0000:0000:0000", "::00001", "abcd", "::ffff:1.2.3.4 ",
    ])
    func `what is no address is refused`(text: String) {
        #expect(IPAddress(text) == nil)
    }

    @Test func `printing and reading give the same address back`() {
        var random = SplitMix(seed: 1)
        for _ in 0..<20_000 {
            let address = random.address()
            #expect(IPAddress(address.description) == address)
            // A reader that knows nothing of "::" agrees on the expanded form.
            if !address.isIPv4 {
                let groups = (0..<8).map { i in
                    String((i < 4 ? address.high : address.low) >> (48 - UInt64(i & 3) * 16) & 0xffff, radix: 16)
                }
                #expect(IPAddress(groups.joined(separator: ":")) == address)
                #expect(address.description == referencePrint(groups))
            }
        }
    }

    /// RFC 5952, section 4, by trying every place where "::" could go.
    private func referencePrint(_ groups: [String]) -> String {
        var best = groups.joined(separator: ":")
        var bestLength = 1
        for start in 0..<8 {
            for end in start + 1...8 where groups[start..<end].allSatisfy({ $0 == "0" }) && end - start > bestLength {
                bestLength = end - start
                best = groups[..<start].joined(separator: ":") + "::" + groups[end...].joined(separator: ":")
            }
        }
        return best
    }

    @Test func `random text never traps and only addresses are read`() {
        var random = SplitMix(seed: 2)
        let alphabet = Array("0123456789abcdefF:::...:/% ")
        for _ in 0..<50_000 {
            let text = String((0..<Int(random.next() % 24)).map { _ in alphabet[Int(random.next() % 27)] })
            if let address = IPAddress(text) {
                #expect(IPAddress(address.description) == address)
            }
        }
    }

    @Test func `bytes go both ways, four or sixteen of them`() throws {
        var random = SplitMix(seed: 3)
        for _ in 0..<1000 {
            let address = random.address()
            #expect(IPAddress(bytes: address.bytes) == address)
            #expect(IPAddress(bytes: address.mappedBytes) == address)
            #expect(address.bytes.count == (address.isIPv4 ? 4 : 16))
            #expect(address.mappedBytes.count == 16)
        }
        #expect(try #require(IPAddress("10.1.2.3")).bytes == [10, 1, 2, 3])
        #expect(
            try #require(IPAddress("10.1.2.3")).mappedBytes == [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3])
        for count in [0, 1, 3, 5, 15, 17, 100] {
            #expect(IPAddress(bytes: [UInt8](repeating: 1, count: count)) == nil)
        }
    }

    @Test(
        arguments: [
            ("10.0.0.1", 1, "10.0.0.2"), ("10.0.0.255", 1, "10.0.1.0"), ("255.255.255.254", 1, "255.255.255.255"),
            ("255.255.255.255", 1, nil), ("0.0.0.0", 0x1_0000_0000, nil), ("1.1.1.1", .max, nil),
            ("1.1.1.1", 0, "1.1.1.1"),
            ("::", 1, "::1"), ("::ffff:ffff:ffff:ffff", 1, "0:0:0:1::"), ("fd00::", .max, "fd00::ffff:ffff:ffff:ffff"),
            ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 1, nil), ("::fffe:ffff:ffff", 1, nil),
        ] as [(String, UInt64, String?)])
    func `advancing stays in the family`(from: String, distance: UInt64, to: String?) throws {
        #expect(try #require(IPAddress(from)).advanced(by: distance)?.description == to)
    }

    @Test(arguments: [
        ("224.0.0.1", "m"), ("239.255.255.255", "m"), ("223.255.255.255", ""), ("240.0.0.0", ""), ("ff02::1", "m"),
        ("169.254.1.1", "l"), ("169.255.0.0", ""), ("fe80::1", "l"), ("febf::1", "l"), ("fec0::1", ""),
        ("127.0.0.1", "o"),
        ("127.255.0.1", "o"), ("128.0.0.1", ""), ("::1", "o"), ("::2", ""), ("0.0.0.0", "u"), ("::", "u"),
        ("0.0.0.1", ""),
    ])
    func `kinds of address are told apart`(text: String, kind: String) throws {
        let address = try #require(IPAddress(text))
        var found = ""
        if address.isMulticast { found += "m" }
        if address.isLinkLocal { found += "l" }
        if address.isLoopback { found += "o" }
        if address.isUnspecified { found += "u" }
        #expect(found == kind)
    }

    @Test func `order is that of the sixteen bytes`() {
        var random = SplitMix(seed: 4)
        let addresses = (0..<500).map { _ in random.address() }
        let byBytes = addresses.sorted { $0.mappedBytes.lexicographicallyPrecedes($1.mappedBytes) }
        #expect(addresses.sorted() == byBytes)
    }
}

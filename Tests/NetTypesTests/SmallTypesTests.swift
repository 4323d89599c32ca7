// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@Suite struct MACAddressTests {
    @Test func `the gateway's address carries the endpoint's number`() {
        #expect(MACAddress.gateway(endpoint: 0x0102).description == "0a:5c:00:00:01:02")
        #expect(MACAddress.gateway(endpoint: 4095).bytes == [0x0a, 0x5c, 0, 0, 0x0f, 0xff])
        #expect(!MACAddress.gateway(endpoint: .max).isMulticast)
    }

    @Test(arguments: ["00:00:00:00:00:00", "ff:ff:ff:ff:ff:ff", "0a:5c:00:00:01:02", "12:34:56:78:9a:bc"])
    func `text and bytes go both ways`(text: String) throws {
        let address = try #require(MACAddress(text))
        #expect(address.description == text)
        #expect(MACAddress(text.uppercased()) == address)
        #expect(MACAddress(bytes: address.bytes[...]) == address)
    }

    @Test(arguments: [
        "", "0a", "0a:5c:00:00:01", "0a:5c:00:00:01:02:", "0a:5c:00:00:01:02:03", "0a-5c-00-00-01-02", "a:5c:0:0:1:2",
        "0g:5c:00:00:01:02", "0a5c00000102", " 0a:5c:00:00:01:02",
    ])
    func `what is no address is refused`(text: String) {
        #expect(MACAddress(text) == nil)
    }

    @Test(arguments: [0, 5, 7])
    func `another count of bytes is refused`(count: Int) {
        #expect(MACAddress(bytes: [UInt8](repeating: 0, count: count)[...]) == nil)
    }
}

@Suite struct IPProtocolTests {
    @Test(
        arguments: [(IPProtocol.icmp, 1), (.tcp, 6), (.udp, 17), (.icmpv6, 58), (.sctp, 132)] as [(IPProtocol, UInt8)])
    func `names go both ways`(proto: IPProtocol, number: UInt8) {
        #expect(proto.rawValue == number)
        #expect(IPProtocol(name: proto.name) == proto)
        #expect(IPProtocol(name: proto.name.lowercased()) == proto)
    }

    @Test func `an unnamed protocol prints its number`() {
        #expect(IPProtocol(rawValue: 47).description == "47")
        #expect(IPProtocol(name: "GRE") == nil)
        #expect(!IPProtocol(rawValue: 47).hasPorts)
        #expect(IPProtocol.sctp.hasPorts)
    }
}

@Suite struct PortRangeTests {
    @Test func `a range backwards is none`() {
        #expect(PortRange(first: 2, last: 1) == nil)
        #expect(PortRange(first: 2, last: 2) == PortRange(2))
    }

    @Test(
        arguments: [
            (1, 5, 3, 9, 3, 5), (1, 5, 5, 5, 5, 5), (0, 65535, 80, 80, 80, 80), (1, 2, 3, 4, nil, nil),
            (3, 4, 1, 2, nil, nil),
        ] as [(UInt16, UInt16, UInt16, UInt16, UInt16?, UInt16?)])
    func `intersection, overlap and containment agree`(
        a: UInt16, b: UInt16, c: UInt16, d: UInt16, first: UInt16?, last: UInt16?
    ) throws {
        let (x, y) = (try #require(PortRange(first: a, last: b)), try #require(PortRange(first: c, last: d)))
        #expect(x.intersection(y)?.first == first)
        #expect(y.intersection(x)?.last == last)
        #expect(x.overlaps(y) == (first != nil))
        #expect(x.contains(y) == (x.intersection(y) == y))
        for port in a...b { #expect(y.contains(port) == (x.intersection(y)?.contains(port) ?? false)) }
    }

    @Test func `all ports are 65,536`() {
        #expect(PortRange.all.count == 65_536)
        #expect(PortRange.all.isAll)
        #expect(PortRange(80).count == 1)
        #expect(PortRange(80).description == "80")
        #expect(PortRange(first: 80, last: 90)?.description == "80-90")
    }
}

// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Netlink
import Testing

/// The bytes that go to the kernel, compared with ones put together by hand from the UAPI headers: little-endian
/// machines.
@Suite struct EncodingTests {
    private static let mac = MACAddress.gateway(endpoint: 7)

    private static func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

    private static func prefix(_ text: String) throws -> Prefix { try #require(Prefix(text)) }

    /// Hexadecimal digits; what follows a semicolon is comment.
    private static func hex(_ text: String) -> [UInt8] {
        let digits = text.split(separator: "\n").flatMap { $0.prefix { $0 != ";" } }.compactMap(\.hexDigitValue)
        return stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }

    @Test func `a veth pair with its peer in another namespace`() {
        let request = NetlinkRequest.createVeth(
            VethEnd(name: "skn0", mac: Self.mac, mtu: 1450), peer: VethEnd(name: "eth0", namespace: 7))
        let expected = Self.hex(
            """
            9c000000 1000 0106 05000000 00000000   ; length, RTM_NEWLINK, REQUEST|CREATE|EXCL, sequence, port
            00000000 00000000 00000000 00000000    ; ifinfomsg
            0900 0300 736b6e30 00 000000           ; IFLA_IFNAME "skn0"
            0800 1f00 01000000                     ; IFLA_NUM_TX_QUEUES
            0800 2000 01000000                     ; IFLA_NUM_RX_QUEUES
            0a00 0100 0a5c00000007 0000            ; IFLA_ADDRESS
            0800 0400 aa050000                     ; IFLA_MTU
            4c00 1200                              ; IFLA_LINKINFO
            0900 0100 76657468 00 000000           ; IFLA_INFO_KIND "veth"
            3c00 0200 3800 0100                    ; IFLA_INFO_DATA, VETH_INFO_PEER
            00000000 00000000 00000000 00000000    ; ifinfomsg
            0900 0300 65746830 00 000000           ; IFLA_IFNAME "eth0"
            0800 1f00 01000000 0800 2000 01000000  ; queues
            0800 1c00 07000000                     ; IFLA_NET_NS_FD
            """)
        #expect(request.encoded(sequence: 5) == expected)
    }

    @Test func `a link that goes up without an IPv6 address of its own`() {
        let request = NetlinkRequest.setLink(.index(3), LinkChange(isUp: true, generatesIPv6Address: false))
        let expected = Self.hex(
            """
            30000000 1000 0100 01000000 00000000
            00 00 0000 03000000 01000000 01000000  ; index, IFF_UP, and that it is to change
            1000 1a00 0c00 0a00                    ; IFLA_AF_SPEC, AF_INET6
            0500 0800 01 000000                    ; IFLA_INET6_ADDR_GEN_MODE none
            """)
        #expect(request.encoded(sequence: 1) == expected)
    }

    @Test func `a link asked for by name`() {
        let expected = Self.hex(
            """
            34000000 1200 0500 01000000 00000000   ; RTM_GETLINK, REQUEST|ACK
            00000000 00000000 00000000 00000000
            0900 0300 65746830 00 000000           ; IFLA_IFNAME
            0800 1d00 08000000                     ; IFLA_EXT_MASK without statistics
            """)
        #expect(NetlinkRequest.getLink(.name("eth0")).encoded(sequence: 1, flags: 4) == expected)
    }

    @Test func `addresses`() throws {
        let four = LinkAddress(link: 3, address: try Self.ip("10.1.2.3"), scope: .link)
        #expect(
            NetlinkRequest.addAddress(four).encoded(sequence: 1)
                == Self.hex(
                    """
                    28000000 1400 0106 01000000 00000000  ; RTM_NEWADDR, REQUEST|CREATE|EXCL
                    02 20 00 fd 03000000                  ; AF_INET, /32, scope link
                    0800 0200 0a010203 0800 0100 0a010203 ; IFA_LOCAL, IFA_ADDRESS
                    """))
        let six = LinkAddress(
            link: 3, address: try Self.ip("fd00::5"), flags: LinkAddress.noDAD | LinkAddress.noPrefixRoute)
        #expect(
            NetlinkRequest.replaceAddress(six).encoded(sequence: 1)
                == Self.hex(
                    """
                    48000000 1400 0105 01000000 00000000  ; REQUEST|CREATE|REPLACE
                    0a 80 02 00 03000000                  ; AF_INET6, /128, IFA_F_NODAD
                    1400 0200 fd000000000000000000000000000005
                    1400 0100 fd000000000000000000000000000005
                    0800 0800 02020000                    ; IFA_FLAGS, all of them
                    """))
    }

    @Test func `a default route by a link-local gateway`() throws {
        let route = Route(.allIPv4, link: 3, gateway: try Self.ip("169.254.1.1"), isOnLink: true)
        #expect(
            NetlinkRequest.replaceRoute(route).encoded(sequence: 1)
                == Self.hex(
                    """
                    2c000000 1800 0105 01000000 00000000     ; RTM_NEWROUTE, REQUEST|CREATE|REPLACE
                    02 00 00 00 fe 04 00 01 04000000         ; main, static, universe, unicast, RTNH_F_ONLINK
                    0800 0400 03000000 0800 0500 a9fe0101    ; RTA_OIF, RTA_GATEWAY
                    """))
    }

    @Test func `an IPv4 route by an IPv6 gateway`() throws {
        let route = Route(.allIPv4, link: 3, gateway: try Self.ip("fe80::1"), table: 300)
        #expect(
            NetlinkRequest.addRoute(route).encoded(sequence: 1)
                == Self.hex(
                    """
                    44000000 1800 0106 01000000 00000000
                    02 00 00 00 00 04 00 01 00000000
                    0800 0400 03000000
                    1600 1200 0a00 fe800000000000000000000000000001 0000  ; RTA_VIA
                    0800 0f00 2c010000                                    ; RTA_TABLE
                    """))
    }

    @Test func `host and unreachable routes`() throws {
        let host = Route(try Self.prefix("fd00::5/128"), link: 3, mtu: 1450)
        #expect(
            NetlinkRequest.replaceRoute(host).encoded(sequence: 1)
                == Self.hex(
                    """
                    44000000 1800 0105 01000000 00000000
                    0a 80 00 00 fe 04 00 01 00000000
                    1400 0100 fd000000000000000000000000000005  ; RTA_DST
                    0800 0400 03000000                          ; RTA_OIF
                    0c00 0800 0800 0200 aa050000                ; RTA_METRICS, RTAX_MTU
                    """))
        let dead = Route(try Self.prefix("10.0.0.0/8"), kind: .unreachable, source: nil, metric: 9)
        #expect(
            NetlinkRequest.deleteRoute(dead).encoded(sequence: 1)
                == Self.hex(
                    """
                    2c000000 1900 0100 01000000 00000000        ; RTM_DELROUTE
                    02 08 00 00 fe 04 00 07 00000000
                    0800 0100 0a000000 0800 0600 09000000       ; RTA_DST, RTA_PRIORITY
                    """))
        #expect(Route(try Self.prefix("10.0.0.1/32"), link: 3).scope == .link)
        #expect(Route(try Self.prefix("10.0.0.1/32"), kind: .local, link: 1).scope == .host)
    }

    @Test func `neighbours`() throws {
        let neighbour = Neighbour(link: 3, address: try Self.ip("169.254.1.1"), mac: Self.mac)
        #expect(
            NetlinkRequest.replaceNeighbour(neighbour).encoded(sequence: 1)
                == Self.hex(
                    """
                    30000000 1c00 0105 01000000 00000000
                    02 00 0000 03000000 8000 00 00        ; AF_INET, index, NUD_PERMANENT
                    0800 0100 a9fe0101                    ; NDA_DST
                    0a00 0200 0a5c00000007 0000           ; NDA_LLADDR
                    """))
    }

    @Test func `a clsact hook and its filter`() {
        #expect(
            NetlinkRequest.addClsact(link: 3).encoded(sequence: 1)
                == Self.hex(
                    """
                    30000000 2400 0106 01000000 00000000
                    00000000 03000000 0000ffff f1ffffff 00000000
                    0b00 0100 636c7361637400 00           ; TCA_KIND "clsact"
                    """))
        let filter = NetlinkRequest.replaceFilter(link: 3, direction: .ingress, program: 9, name: "from_pod")
        #expect(
            filter.encoded(sequence: 1)
                == Self.hex(
                    """
                    50000000 2c00 0104 01000000 00000000  ; RTM_NEWTFILTER, REQUEST|CREATE
                    00000000 03000000 01000000 f2ffffff 00030100 ; handle, ingress, priority and ETH_P_ALL
                    0800 0100 62706600                    ; TCA_KIND "bpf"
                    2400 0200                             ; TCA_OPTIONS
                    0800 0600 09000000                    ; TCA_BPF_FD
                    0d00 0700 66726f6d5f706f6400 000000   ; TCA_BPF_NAME
                    0800 0800 01000000                    ; TCA_BPF_FLAGS direct action
                    """))
    }

    @Test func `random bytes are refused or read, never trapped on`() {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            var bytes = (0..<Int(random.next() % 96)).map { _ in UInt8(truncatingIfNeeded: random.next()) }
            // Lengths that are small numbers get past the first check more often.
            for i in stride(from: 0, to: bytes.count, by: 4) where random.next() % 2 == 0 {
                bytes[i] &= 0x3f
                for j in i + 1..<min(i + 4, bytes.count) { bytes[j] = 0 }
            }
            guard let messages = try? NetlinkMessage.split(bytes[...]) else { continue }
            for message in messages {
                let attributes = AttributeSet(message.body, skipping: Int(random.next() % 20))
                for type in 0..<64 { _ = (attributes.uint32(type), attributes.string(type), attributes.nested(type)) }
                _ = Link(message)
            }
        }
    }

    @Test func `what was built is read back`() throws {
        var builder = MessageBuilder()
        builder.attribute(1, string: "name")
        builder.nested(2) { builder in
            builder.attribute(3, value: UInt32(7))
            builder.attribute(4, [1, 2, 3])
        }
        builder.attribute(1, string: "later")
        let attributes = AttributeSet(builder.bytes[...])
        #expect(attributes.string(1) == "later")
        #expect(attributes.nested(2)?.uint32(3) == 7)
        #expect(attributes.nested(2)?[4].map(Array.init) == [1, 2, 3])
        #expect(attributes.nested(2)?.uint32(4) == nil)
        #expect(attributes[5] == nil)
    }
}

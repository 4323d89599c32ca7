import TestSupport
// SPDX-License-Identifier: Apache-2.0
import Testing

/// The packet builder, against checksums known from elsewhere and its own parser.
@Suite struct PacketTests {
    private static let pairs = [
        (address("10.0.0.1"), address("10.0.0.2")), (address("fd00::1"), address("fd00::2")),
    ]

    @Test func `checksums are those of the standards`() {
        // RFC 1071, section 3.
        #expect(Checksum.internet([0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]) == ~0xddf2)
        // RFC 3720, appendix B.4: 32 bytes of zeros, and of ones.
        #expect(Checksum.crc32c([UInt8](repeating: 0, count: 32)) == 0x8a91_36aa)
        #expect(Checksum.crc32c([UInt8](repeating: 0xff, count: 32)) == 0x62a8_ab43)
    }

    @Test(arguments: pairs.indices)
    func `what is built is read back, with right checksums`(family: Int) throws {
        let (source, destination) = Self.pairs[family]
        let packets: [Packet] = [
            .tcp(from: source, to: destination, sport: 1000, dport: 80, flags: [.syn, .ack], payload: [1, 2, 3]),
            .udp(from: source, to: destination, sport: 1000, dport: 80),
            .sctp(from: source, to: destination, sport: 1000, dport: 80, chunks: [.data, .cookieEcho]),
        ]
        for packet in packets {
            let parsed = try #require(ParsedPacket(packet.bytes))
            #expect(parsed.sourcePort == 1000)
            #expect(parsed.destinationPort == 80)
            #expect(parsed.ip?.source == source)
            #expect(parsed.ip?.destination == destination)
            #expect(parsed.ip?.hopLimit == 64)
            #expect(parsed.ip?.isChecksumRight == true)
            #expect(parsed.isTransportChecksumRight == true)
            var damaged = packet.bytes
            damaged[damaged.count - 1] ^= 1
            #expect(ParsedPacket(damaged)?.isTransportChecksumRight == false)
            #expect(ParsedPacket(packet.reply.bytes)?.sourcePort == 80)
        }
        #expect(ParsedPacket(packets[0].bytes)?.tcpFlags == [.syn, .ack])
    }

    @Test(arguments: pairs.indices)
    func `an error quotes the packet that it is about`(family: Int) throws {
        let (source, destination) = Self.pairs[family]
        let packet = Packet.udp(from: source, to: destination, sport: 5, dport: 53)
        for error in [
            Packet.unreachable(quoting: packet), .packetTooBig(mtu: 1280, quoting: packet),
            .timeExceeded(quoting: packet),
        ] {
            let parsed = try #require(ParsedPacket(error.bytes))
            #expect(parsed.isTransportChecksumRight == true)
            #expect(parsed.ip?.destination == source)
            let quoted = try #require(parsed.quoted)
            #expect(quoted.ip?.source == source)
            #expect(quoted.destinationPort == 53)
        }
    }

    @Test(arguments: pairs.indices)
    func `fragments together are the datagram`(family: Int) throws {
        let (source, destination) = Self.pairs[family]
        let whole = Packet.udp(from: source, to: destination, sport: 5, dport: 53).payload(count: 3000)
        let parts = try whole.fragments(id: 77, size: 1024).map { try #require(ParsedPacket($0.bytes)) }
        #expect(parts.map { $0.ip?.fragmentOffset } == [0, 1024, 2048])
        #expect(parts.map { $0.ip?.hasMoreFragments } == [true, true, false])
        #expect(parts.flatMap(\.content) == ParsedPacket(whole.bytes)?.content)
        #expect(parts[1].destinationPort == nil)
    }

    @Test func `extension headers are chained and of whole 8 bytes`() throws {
        let (source, destination) = Self.pairs[1]
        let packet = Packet.tcp(from: source, to: destination, sport: 1, dport: 2).extensions([
            .hopByHop([5, 2, 0, 0]), .destination([]), .routing(type: 4, segmentsLeft: 0, data: [0, 0, 0, 0]),
            .authentication, .destination([1, 1, 0]),
        ])
        let parsed = try #require(ParsedPacket(packet.bytes))
        #expect(parsed.ip?.extensions == [0, 60, 43, 51, 60])
        #expect(parsed.ip?.protocolNumber == 6)
        #expect(parsed.destinationPort == 2)
        #expect(parsed.isTransportChecksumRight == true)
    }

    @Test func `a field that is overridden stays wrong and nothing else changes`() throws {
        let (source, destination) = Self.pairs[0]
        let right = Packet.tcp(from: source, to: destination, sport: 1, dport: 2).ipv4Options([1, 1, 1])
        #expect(right.bytes[14] == 0x46)
        #expect(ParsedPacket(right.bytes)?.ip?.isChecksumRight == true)
        let wrong = right.withIP { ($0.headerWords, $0.checksum) = (4, 0xdead) }.bytes
        #expect(wrong[14] == 0x44)
        #expect(Array(wrong[24..<26]) == [0xde, 0xad])
        #expect(wrong.count == right.bytes.count)
        #expect(right.truncated(to: 20).bytes == Array(right.bytes[..<20]))
        #expect(ParsedPacket(right.vlan(7).vlan(8).bytes)?.vlanTags == [8, 7])
    }
}

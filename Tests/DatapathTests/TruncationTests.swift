// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct TruncationTests {
    struct Shape: Sendable, CustomTestStringConvertible {
        let testDescription: String
        /// From pod 1 to pod 2.
        let packet: Packet
        /// Bytes of the transport header that are looked at.
        let transport: Int
        var headers: Int { packet.bytes.count - packet.payload.count }
    }

    static let shapes: [Shape] = Family.allCases.flatMap { family -> [Shape] in
        let (a, b) = (
            address(family == .ipv4 ? "10.1.0.1" : "fd00:1::1"), address(family == .ipv4 ? "10.1.0.2" : "fd00:1::2")
        )
        let tcp = Packet.tcp(from: a, to: b, sport: 4000, dport: 80).payload(count: 12)
        let udp = Packet.udp(from: a, to: b, sport: 4000, dport: 80).payload(count: 12)
        var shapes = [
            Shape(testDescription: "\(family) TCP", packet: tcp, transport: 20),
            Shape(testDescription: "\(family) UDP", packet: udp, transport: 8),
            Shape(
                testDescription: "\(family) SCTP", packet: .sctp(from: a, to: b, sport: 4000, dport: 80), transport: 16),
            Shape(testDescription: "\(family) ping", packet: .echoRequest(from: a, to: b, id: 1), transport: 8),
            Shape(
                testDescription: "\(family) first fragment",
                packet: udp.payload(count: 100).fragments(id: 5, size: 64)[0],
                transport: 8),
            Shape(
                testDescription: "\(family) first fragment of a ping",
                packet: Packet.echoRequest(from: a, to: b, id: 1).payload(count: 100).fragments(id: 5, size: 64)[0],
                transport: 8),
        ]
        if family == .ipv4 {
            shapes.append(
                Shape(
                    testDescription: "IPv4 options", packet: tcp.ipv4Options([UInt8](repeating: 1, count: 40)),
                    transport: 20))
        } else {
            shapes.append(
                Shape(
                    testDescription: "IPv6 extensions",
                    packet: tcp.extensions([.hopByHop([]), .destination([]), .authentication]), transport: 20))
        }
        return shapes
    }

    /// BPF_PROG_TEST_RUN refuses less than an IP header.
    private func isRunnable(_ count: Int, _ packet: Packet) -> Bool {
        count >= (packet.ip?.isIPv6 == true ? 54 : 34)
    }

    @Test(arguments: shapes)
    func `a frame that ends too early is dropped, wherever it ends`(shape: Shape) throws {
        try Lab.run { lab throws in
            let frame = shape.packet.sent(by: lab.a).bytes
            for count in 0..<frame.count where isRunnable(count, shape.packet) {
                let action = try lab.sendFrame(Array(frame[..<count]), on: lab.a.ifindex).action
                // What an IP header says is there must be there.
                #expect(action.isDrop && action != .drop(nil), "\(count) of \(frame.count) bytes: \(action)")
            }
            #expect(try lab.flows().isEmpty)
            #expect(try lab.sendFrame(frame, on: lab.a.ifindex).action == .redirect)
        }
    }

    /// The IP header says truly how much is left.
    @Test(arguments: shapes)
    func `a packet without a whole transport header is dropped`(shape: Shape) throws {
        try Lab.run { lab throws in
            let frame = shape.packet.sent(by: lab.a).bytes
            let isIPv6 = shape.packet.ip?.isIPv6 == true
            let carried = content(shape)
            let start = frame.count - carried
            for count in 0..<shape.transport where isRunnable(start + count, shape.packet) {
                let length = UInt16(start + count - 14 - (isIPv6 ? 40 : 0))
                let short = shape.packet.withIP { $0.length = length }.sent(by: lab.a).bytes
                let cut = try lab.sendFrame(Array(short[..<(start + count)]), on: lab.a.ifindex).action
                #expect(cut.isDrop, "\(count) bytes of the transport header")
                // The same with what follows as padding of the frame: it is not part of the packet.
                let padded = try lab.sendFrame(short, on: lab.a.ifindex).action
                #expect(padded.isDrop, "\(count) bytes of the transport header, padded")
            }
            #expect(try lab.flows().isEmpty)
        }
    }

    /// Bytes behind the IP header and its extensions.
    private func content(_ shape: Shape) -> Int {
        let bytes = shape.packet.networkBytes
        guard let ip = shape.packet.ip else { return 0 }
        if !ip.isIPv6 { return bytes.count - Int(bytes[0] & 15) * 4 }
        return ParsedPacket(shape.packet.bytes)?.content.count ?? 0
    }

    @Test(arguments: Family.allCases)
    func `padding behind the packet does no harm`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            let padded = talk.opening.with { $0.trailer = [UInt8](repeating: 0x55, count: 40) }
            #expect(try lab.send(padded, by: lab.a).action == .redirect)
        }
    }

    @Test(arguments: Family.allCases)
    func `a UDP length beyond the packet is dropped`(family: Family) throws {
        try Lab.run { lab throws in
            for length in [0, 7, 13, 65_535].map(UInt16.init) {
                var header = UDPHeader(from: 5, to: 6)
                header.length = length
                let packet = Packet.udp(from: lab.a.address(family), to: lab.b.address(family), sport: 5, dport: 6)
                    .with { $0.transport = .udp(header) }
                #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_INVALID_HEADER), "\(length)")
            }
        }
    }

    /// Through a device, as the kernel hands it over: BPF_PROG_TEST_RUN can't make such packets.
    @Test func `frames without an IP header and tagged frames are dropped on the wire`() throws {
        try Lab.run { lab throws in
            try lab.datapath.attach(lab.a.number)
            let wire = try PacketSocket(device: "in-\(lab.a.name)")
            for family in Family.allCases {
                let packet = Talk(client: lab.a.address(family), server: lab.b.address(family)).opening.sent(by: lab.a)
                let frame = packet.bytes
                let counter = DropCounter(reason: DP_DROP_INVALID_HEADER.rawValue, fromPod: true)
                for count in 15..<frame.count {
                    let before = try lab.packets(at: counter.index)
                    try wire.send(Array(frame[..<count]))
                    #expect(try eventually { try lab.packets(at: counter.index) == before + 1 }, "\(count) bytes")
                }
                let tagged = DropCounter(reason: DP_DROP_VLAN.rawValue, fromPod: true)
                for tags in [[5], [5, 6]].map({ $0.map(UInt16.init) }) {
                    let before = try lab.packets(at: tagged.index)
                    try wire.send(packet.with { $0.vlanTags = tags }.bytes)
                    #expect(try eventually { try lab.packets(at: tagged.index) == before + 1 }, "\(tags.count) tags")
                }
            }
        }
    }
}

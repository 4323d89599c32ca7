// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// IPv6 extension headers, IPv4 options, and addresses that are none.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct ExtensionTests {
    private static let each: [IPv6Extension] = [
        .hopByHop([]), .hopByHop([5, 2, 0, 0]), .destination([]), .destination([UInt8](repeating: 0, count: 22)),
        .routing(type: 2, segmentsLeft: 0, data: [UInt8](repeating: 0, count: 20)),
        .routing(type: 4, segmentsLeft: 0, data: [UInt8](repeating: 0, count: 4)),
        .fragment(id: 5, offset: 0, more: false), .authentication,
    ]

    @Test func `each extension header is walked over, to every transport`() throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.tcp, 80), .allow(.udp, 53))])])
            for part in Self.each {
                let allowed = Talk(client: lab.a.ipv6, server: lab.b.ipv6).opening.extensions([part])
                #expect(try lab.send(allowed, by: lab.a).action == .redirect, "\(part)")
                let refused = Talk(client: lab.a.ipv6, server: lab.b.ipv6, dport: 81).opening.extensions([part])
                #expect(try lab.send(refused, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED), "\(part)")
                let datagram = Packet.udp(from: lab.a.ipv6, to: lab.b.ipv6, sport: 1, dport: 53).extensions([part])
                #expect(try lab.send(datagram, by: lab.a).action == .redirect, "\(part)")
                let ping = Packet.echoRequest(from: lab.a.ipv6, to: lab.b.ipv6, id: 1).extensions([part])
                #expect(try lab.send(ping, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED), "\(part)")
            }
        }
    }

    @Test func `a chain of six is walked over, a longer one is not`() throws {
        try Lab.run { lab throws in
            let packet = Talk(client: lab.a.ipv6, server: lab.b.ipv6).opening
            for count in 0...9 {
                let chain = [IPv6Extension](repeating: .destination([]), count: count)
                let action = try lab.send(packet.extensions(chain), by: lab.a).action
                #expect(action == (count <= 6 ? .redirect : .drop(DP_DROP_IPV6_EXTENSION)), "\(count)")
            }
            let mixed: [IPv6Extension] = [
                .hopByHop([]), .destination([]), .routing(type: 4, segmentsLeft: 0, data: []),
                .fragment(id: 1, offset: 0, more: false), .authentication, .destination([]),
            ]
            #expect(try lab.send(packet.extensions(mixed), by: lab.a).action == .redirect)
        }
    }

    @Test(arguments: [
        [IPv6Extension.routing(type: 0, segmentsLeft: 0, data: [])],
        [.destination([]), .routing(type: 0, segmentsLeft: 1, data: [UInt8](repeating: 0, count: 20))],
        [.destination([]), .hopByHop([])],
        [.hopByHop([]), .hopByHop([])],
        [.fragment(id: 1, offset: 0, more: false), .fragment(id: 1, offset: 0, more: false)],
        // Longer than the packet.
        [.raw(number: 60, length: 200, data: [0, 0, 0, 0, 0, 0])],
        [.raw(number: 51, length: 100, data: [0, 0, 0, 0, 0, 0])],
        // Longer than is looked at.
        [.destination([UInt8](repeating: 0, count: 254))],
    ])
    func `a chain that can't be is dropped`(chain: [IPv6Extension]) throws {
        try Lab.run { lab throws in
            let packet = Talk(client: lab.a.ipv6, server: lab.b.ipv6).opening.extensions(chain)
            #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_IPV6_EXTENSION))
        }
    }

    @Test func `a chain that ends with the packet is dropped`() throws {
        try Lab.run { lab throws in
            for number in [0, 43, 44, 51, 60].map(UInt8.init) {
                let empty = Packet.ip(from: lab.a.ipv6, to: lab.b.ipv6, protocol: number)
                #expect(try lab.send(empty, by: lab.a).action == .drop(DP_DROP_IPV6_EXTENSION), "\(number)")
                let short = Packet.ip(from: lab.a.ipv6, to: lab.b.ipv6, protocol: number, payload: [6, 0, 0, 0])
                #expect(try lab.send(short, by: lab.a).action == .drop(DP_DROP_IPV6_EXTENSION), "\(number)")
            }
        }
    }

    @Test func `encrypted and unknown protocols are not guessed at`() throws {
        try Lab.run { lab throws in
            for number in [50, 135, 139, 140, 4, 41, 47, 253].map(UInt8.init) {
                for family in Family.allCases {
                    let packet = Packet.ip(
                        from: lab.a.address(family), to: lab.b.address(family), protocol: number,
                        payload: [UInt8](repeating: 0, count: 32))
                    #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_UNKNOWN_L4), "\(number) \(family)")
                }
            }
        }
    }

    @Test(arguments: 0...10)
    func `IPv4 options are walked over`(words: Int) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.b: TestPolicy(ingress: [0: .only(.allow(.tcp, 80))])])
            let options = [UInt8](repeating: 1, count: words * 4)
            let talk = Talk(client: lab.a.ipv4, server: lab.b.ipv4)
            let out = try lab.send(talk.opening.ipv4Options(options), by: lab.a)
            #expect(out.action == .redirect)
            #expect(out.packet?.ip?.isChecksumRight == true)
            let refused = Talk(client: lab.a.ipv4, server: lab.b.ipv4, dport: 81).opening.ipv4Options(options)
            #expect(try lab.send(refused, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test func `an IPv4 header of a wrong length or version is dropped`() throws {
        try Lab.run { lab throws in
            let packet = Talk(client: lab.a.ipv4, server: lab.b.ipv4).opening
            for words in 0..<16 where words != 5 {
                let wrong = packet.withIP { $0.headerWords = UInt8(words) }
                // A longer header reads other bytes as ports: it must not pass by those.
                #expect(try lab.send(wrong, by: lab.a).action.isDrop, "\(words) words")
            }
            for version in 0..<16 where version != 4 {
                let wrong = packet.withIP { $0.version = UInt8(version) }
                #expect(try lab.send(wrong, by: lab.a).action == .drop(DP_DROP_INVALID_HEADER), "version \(version)")
            }
            let sixth = Talk(client: lab.a.ipv6, server: lab.b.ipv6).opening.withIP { $0.version = 4 }
            #expect(try lab.send(sixth, by: lab.a).action == .drop(DP_DROP_INVALID_HEADER))
        }
    }

    @Test func `IPv6 packets with IPv4 addresses are not let pass`() throws {
        try Lab.run { lab throws in
            // RFC 4291, 2.5.5.2: the mapped form stands for IPv4 in programs; no packet has it.
            func mapped(_ packet: Packet) -> Packet { packet.withIP { $0.isIPv6 = true } }
            let talk = try lab.establish(lab.a, lab.b, .ipv4)
            #expect(try lab.send(mapped(talk.fromClient(.push)), by: lab.a).action.isDrop, "of a known connection")
            let other = Talk(client: lab.a.ipv4, server: lab.b.ipv4, sport: 7)
            #expect(try lab.send(mapped(other.opening), by: lab.a).action.isDrop)
            var half = Talk(client: lab.a.ipv6, server: lab.b.ipv6).opening
            half = half.withIP { $0.destination = lab.b.ipv4 }
            #expect(try lab.send(half, by: lab.a).action.isDrop)
            half = half.withIP { $0.destination = Peers.world.ipv4Address }
            #expect(try lab.send(half, by: lab.a).action.isDrop)
            let incoming = Talk(client: Peers.world.ipv4Address, server: lab.a.ipv6).opening.withIP { $0.isIPv6 = true }
            #expect(try lab.deliver(incoming, to: lab.a).action.isDrop)
        }
    }
}

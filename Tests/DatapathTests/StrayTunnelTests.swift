// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import TestSupport
import Testing

@testable import Datapath

/// What comes to the tunnels' port by a service: its outer source is a node's by then, and was not at first.
@Suite(
    .serialized, .enabled(if: geteuid() == 0, "needs root"), .enabled(if: TunnelWrapper.isSupported, "needs Linux 6.0"))
struct StrayTunnelTests {
    private static let stray: UInt32 = 0x534b_0001

    /// A tunnel's packet from a node with a connection's first packet in it, and whatever is done to it.
    private struct Wrapped {
        let lab: Lab
        let family: Family
        var packet: Packet

        init(_ lab: Lab, _ family: Family, to own: IPAddress? = nil, dport: UInt16 = Lab.tunnelPort) {
            self.lab = lab
            self.family = family
            let talk = Talk(client: Peers.remote.address(family), server: lab.a.address(family))
            // RFC 7348, 5: flags, reserved, VNI, reserved.
            packet = Packet.udp(
                from: Peers.node.address(family), to: own ?? Peers.host.address(family), sport: 5_000, dport: dport
            ).payload([8, 0, 0, 0, 0, 0x10, 0, 0] + talk.opening.bytes)
        }

        /// Received by a device to the outside: its mark.
        func mark(_ change: (Packet) -> Packet = { $0 }) throws -> UInt32 {
            let outcome = try lab.arrive(change(packet))
            #expect(outcome.passes)
            return outcome.mark
        }
    }

    private func expect(_ mark: UInt32, isStray: Bool, sourceLocation: SourceLocation = #_sourceLocation) {
        #expect(mark == (isStray ? Self.stray : 0), sourceLocation: sourceLocation)
    }

    @Test(arguments: [Family.ipv4, .ipv6])
    func `what looks like a tunnel's and is for another port or address is marked`(family: Family) throws {
        try Lab.runOverlay(over: family) { lab throws in
            try lab.masquerade { _ in }
            expect(try Wrapped(lab, family).mark(), isStray: false)
            let port = Wrapped(lab, family, dport: 30_000)
            expect(try port.mark(), isStray: true)
            // A service's address, with the tunnels' port.
            let service = Elsewhere.service.address(family)
            expect(try Wrapped(lab, family, to: service).mark(), isStray: true)
            // Other datagrams are nobody's business.
            for payload in [[], [8], [0, 0, 0, 0, 1, 2, 3, 4], [8, 0, 0, 1, 0, 0, 0, 0], Array("any answer".utf8)] {
                expect(try port.mark { $0.payload(payload) }, isStray: false)
            }
            // The other family's come into no tunnel.
            let other: Family = family == .ipv4 ? .ipv6 : .ipv4
            expect(try Wrapped(lab, other, dport: 30_000).mark(), isStray: false)
        }
    }

    @Test func `behind options and in fragments, too`() throws {
        try Lab.runOverlay(over: .ipv4) { lab throws in
            try lab.masquerade { _ in }
            let wrapped = Wrapped(lab, .ipv4, dport: 30_000)
            expect(try wrapped.mark { $0.ipv4Options([UInt8](repeating: 1, count: 40)) }, isStray: true)
            for size in [8, 16, 64] {
                let parts = wrapped.packet.fragments(id: 5, size: size)
                for (index, part) in parts.enumerated() {
                    expect(try wrapped.mark { _ in part }, isStray: index == 0)
                }
            }
        }
        try Lab.runOverlay(over: .ipv6) { lab throws in
            try lab.masquerade { _ in }
            let wrapped = Wrapped(lab, .ipv6, dport: 30_000)
            let part = wrapped.packet.fragments(id: 5, size: 64)[0]
            expect(try wrapped.mark { _ in part }, isStray: true)
        }
    }

    @Test(arguments: [Family.ipv4, .ipv6])
    func `what is marked comes out of no tunnel`(family: Family) throws {
        try Lab.runOverlay(over: family) { lab throws in
            let client = Peers.remote, talk = Talk(client: client.address(family), server: lab.a.address(family))
            let drop = Action.drop(DP_DROP_UNKNOWN_SENDER)
            func receive(_ packet: Packet, mark: UInt32) throws -> Action {
                try lab.receive(packet, identity: client.identity, mark: mark).action
            }
            // With the bits that kube-proxy has for itself, too.
            for mark in [Self.stray, Self.stray | 0xc000] { #expect(try receive(talk.opening, mark: mark) == drop) }
            #expect(try receive(talk.opening, mark: 0xc000) == .redirect)
            #expect(try lab.deliverAnswer(talk) == .redirect)
            for mark in [Self.stray, Self.stray | 0xc000] {
                #expect(try receive(talk.fromClient(.push), mark: mark) == drop, "an established one")
            }
            #expect(try receive(talk.fromClient(.push), mark: 0) == .redirect)
        }
    }
}

extension Lab {
    fileprivate func deliverAnswer(_ talk: Talk) throws -> Action {
        try send(talk.fromServer(.synAck), by: a).action
    }
}

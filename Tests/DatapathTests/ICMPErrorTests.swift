// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct ICMPErrorTests {
    @Test(arguments: Family.allCases)
    func `a pod's error about what it got goes to who sent it`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [:]), lab.b: TestPolicy(egress: [:])])
            let ask = Packet.udp(from: lab.a.address(family), to: lab.b.address(family), sport: 5000, dport: 53)
            #expect(try lab.send(.unreachable(quoting: ask), by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
            _ = try lab.send(ask, by: lab.a)
            let out = try lab.send(.unreachable(quoting: ask), by: lab.b)
            #expect(out.action == .redirect)
            #expect(out.packet?.destinationMAC == lab.a.mac)
            #expect(try !lab.onlyFlow().has(DP_FLOW_REPLIED), "an error is no answer")
            // Not about a connection that is another's.
            #expect(try lab.send(.unreachable(quoting: ask.reply), by: lab.b).action.isDrop)
            #expect(try lab.send(.unreachable(from: lab.c.address(family), quoting: ask), by: lab.c).action.isDrop)
        }
    }

    @Test(arguments: Family.allCases)
    func `errors of routers and of the node reach the pod that they are meant for`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [:]), lab.b: TestPolicy(ingress: [0: .allowAll])])
            let out = try lab.establish(lab.a, to: Peers.remote.address(family))
            let local = try lab.establish(lab.a, lab.b, family)
            let router = address(family == .ipv4 ? "198.51.100.1" : "2001:db8:ff::1")
            for quoted in [out.fromClient(.push), local.fromClient(.push)] {
                for error in [
                    Packet.timeExceeded(from: router, quoting: quoted),
                    .packetTooBig(mtu: 1300, from: router, quoting: quoted),
                    .unreachable(code: 1, from: router, quoting: quoted),
                    .icmpError(type: family == .ipv4 ? 12 : 4, code: 0, from: router, quoting: quoted),
                ] {
                    #expect(try lab.deliver(error, to: lab.a).action == .pass)
                    #expect(try lab.deliver(error, to: lab.a, ingress: 0).action == .pass)
                    #expect(try lab.deliver(error, to: lab.b).action.isDrop, "it is not b's")
                }
            }
            // About the answers: those go to the other end.
            let back = Packet.timeExceeded(from: router, quoting: local.fromServer(.push))
            #expect(try lab.deliver(back, to: lab.b).action == .pass)
            #expect(try lab.deliver(back, to: lab.a).action.isDrop)
        }
    }

    @Test(arguments: Family.allCases)
    func `the receiver of a packet from outside may say that it got no further`(family: Family) throws {
        try Lab.run { lab throws in
            let out = try lab.establish(lab.a, to: Peers.remote.address(family))
            #expect(try lab.deliver(.unreachable(quoting: out.fromClient(.push)), to: lab.a).action == .pass)
            let back = try lab.establish(from: Peers.remote.address(family), to: lab.a, sport: 9)
            #expect(try lab.send(.packetTooBig(mtu: 1280, quoting: back.fromClient(.push)), by: lab.a).action == .pass)
        }
    }

    @Test(arguments: Family.allCases)
    func `an error that does not quote its receiver's packet is nobody's`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            // b may not make up that a packet of c to b got lost and tell it a, though c and b do talk.
            _ = try lab.establish(lab.c, lab.b, family)
            let quoted = Talk(client: lab.c.address(family), server: talk.server).opening
            let lie = Packet.unreachable(quoting: quoted).withIP { $0.destination = talk.client }
            #expect(try lab.send(lie, by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
        }
    }

    @Test(arguments: Family.allCases)
    func `errors about pings and SCTP are matched, too`(family: Family) throws {
        try Lab.run { lab throws in
            let (a, b) = (lab.a.address(family), lab.b.address(family))
            let ping = Packet.echoRequest(from: a, to: b, id: 5)
            let sctp = Packet.sctp(from: a, to: b, sport: 9, dport: 80)
            for packet in [ping, sctp] {
                #expect(try lab.send(.unreachable(quoting: packet), by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
                _ = try lab.send(packet, by: lab.a)
                #expect(try lab.send(.unreachable(quoting: packet), by: lab.b).action == .redirect)
                #expect(
                    try lab.send(.unreachable(quoting: packet, limit: family == .ipv4 ? 28 : 48), by: lab.b).action
                        == .redirect)
            }
            let other = Packet.echoRequest(from: a, to: b, id: 6)
            #expect(try lab.send(.unreachable(quoting: other), by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
            // Errors about errors are not sent (RFC 1122, 3.2.2; RFC 4443, 2.4).
            let nested = Packet.unreachable(quoting: .unreachable(quoting: ping.reply))
            #expect(try lab.send(nested, by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
        }
    }

    @Test(arguments: Family.allCases)
    func `a quote is read only as far as it goes`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            let whole = talk.fromClient(.push).networkBytes.count
            let needed = (family == .ipv4 ? 20 : 40) + 8
            for limit in 0..<whole {
                let action = try lab.send(.unreachable(quoting: talk.fromClient(.push), limit: limit), by: lab.b).action
                #expect(limit < needed ? action == .drop(DP_DROP_INVALID_HEADER) : action == .redirect, "\(limit)")
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `a quote behind the end of the packet is not read`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            let error = Packet.unreachable(quoting: talk.fromClient(.push))
            // The IP header says that only the ICMP header is there; the rest is padding.
            let short = error.withIP { $0.length = family == .ipv4 ? 28 : 8 }
            #expect(try lab.send(short, by: lab.b).action.isDrop)
        }
    }

    @Test(arguments: Family.allCases)
    func `the quoted first fragment counts, later ones do not`(family: Family) throws {
        try Lab.run { lab throws in
            let ask = Packet.udp(from: lab.a.address(family), to: lab.b.address(family), sport: 5000, dport: 53)
                .payload(count: 200)
            let parts = ask.fragments(id: 9, size: 64)
            for part in parts { _ = try lab.send(part, by: lab.a) }
            #expect(try lab.send(.unreachable(quoting: parts[0]), by: lab.b).action == .redirect)
            #expect(try lab.send(.unreachable(quoting: parts[1]), by: lab.b).action == .drop(DP_DROP_UNKNOWN_FLOW))
        }
    }

    @Test(arguments: Family.allCases)
    func `errors of a connection that is refused by now are refused`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            try lab.enforce([lab.b: .closed])
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.send(.unreachable(quoting: talk.fromClient(.push)), by: lab.b).action.isDrop)
            let router = address(family == .ipv4 ? "198.51.100.1" : "2001:db8:ff::1")
            #expect(
                try lab.deliver(.timeExceeded(from: router, quoting: talk.fromClient(.push)), to: lab.a).action.isDrop)
        }
    }
}

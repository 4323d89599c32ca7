// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct EpochTests {
    @Test(arguments: Family.allCases)
    func `a change stops an established connection on its next packet, and lets it go on later`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            for round in 0..<3 {
                try lab.enforce([lab.b: .closed])
                // From either end.
                if round == 1 {
                    #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
                }
                #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
                #expect(try lab.onlyFlow().value.drop == DP_DROP_POLICY_DENIED.rawValue)
                let judged = try lab.packets(at: DP_COUNT_REJUDGED)
                for _ in 0..<3 {
                    #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
                    #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
                }
                #expect(try lab.packets(at: DP_COUNT_REJUDGED) == judged, "once for each change")

                try lab.enforce([lab.b: TestPolicy(ingress: [lab.a.classID: .only(.allow(.tcp, 80))], egress: [:])])
                if round == 2 { #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect) }
                #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .redirect)
                #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect)
                #expect(try lab.onlyFlow().initiator == talk.client)
                #expect(try lab.onlyFlow().has(DP_FLOW_ACKED))
                #expect(try lab.onlyFlow().value.epoch == lab.datapath.shared.epoch)
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `a change in the rules for one's own end counts, too`(family: Family) throws {
        try Lab.run { lab throws in
            let out = try lab.establish(lab.a, to: Peers.wide.address(family))
            let back = try lab.establish(from: Peers.wide.address(family), to: lab.a, sport: 9)
            try lab.enforce([lab.a: TestPolicy(egress: [Peers.wide.classID(family): .denyAll])])
            #expect(try lab.deliver(out.fromServer(.push), to: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            #expect(try lab.send(out.fromClient(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            #expect(try lab.send(back.fromServer(.push), by: lab.a).action == .pass)
            #expect(try lab.deliver(back.fromClient(.push), to: lab.a).action == .pass)
            try lab.enforce([lab.a: TestPolicy(ingress: [Peers.wide.classID(family): .denyAll])])
            #expect(try lab.deliver(out.fromServer(.push), to: lab.a).action == .pass)
            #expect(try lab.send(back.fromServer(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
        }
    }

    @Test(arguments: Family.allCases)
    func `UDP and pings are judged again like the rest`(family: Family) throws {
        try Lab.run { lab throws in
            let ask = Packet.udp(from: lab.a.address(family), to: lab.b.address(family), sport: 5, dport: 53)
            let ping = Packet.echoRequest(from: lab.a.address(family), to: lab.b.address(family), id: 9)
            for packet in [ask, ping] {
                try lab.enforce([lab.b: .open])
                #expect(try lab.send(packet, by: lab.a).action == .redirect)
                try lab.enforce([lab.b: .closed])
                #expect(try lab.send(packet.reply, by: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
                #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
                #expect(try lab.flow(of: packet)?.initiator == lab.a.address(family))
                try lab.enforce([lab.b: TestPolicy(ingress: [0: .allowAll], egress: [:])])
                #expect(try lab.send(packet.reply, by: lab.b).action == .redirect)
                #expect(try lab.send(packet, by: lab.a).action == .redirect)
            }
        }
    }

    @Test(arguments: Family.allCases, [TCPFlags.finAck, .rst])
    func `the end of a connection is noted though it is judged again`(family: Family, flags: TCPFlags) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            lab.datapath.judgeAgain()
            #expect(try lab.send(talk.fromServer(flags), by: lab.b).action == .redirect)
            let entry = try lab.onlyFlow()
            // Else it would be kept for hours as established.
            #expect(flags.contains(.rst) ? entry.has(DP_FLOW_RESET) : entry.hasFIN(of: talk.server))
        }
    }

    @Test func `an answer is noted though it is judged again`() throws {
        try Lab.run { lab throws in
            let ask = Packet.udp(from: lab.a.ipv4, to: lab.b.ipv4, sport: 5, dport: 53)
            _ = try lab.send(ask, by: lab.a)
            lab.datapath.judgeAgain()
            #expect(try lab.send(ask.reply, by: lab.b).action == .redirect)
            #expect(try lab.onlyFlow().has(DP_FLOW_REPLIED))
        }
    }

    @Test func `a changeset says what it does to the epoch`() throws {
        try Lab.run { lab throws in
            func step(_ changes: Changeset) throws -> UInt32 {
                let before = lab.datapath.shared.epoch
                let report = try lab.datapath.apply(changes)
                let difference = lab.datapath.shared.epoch &- before
                #expect(report.bumped == (difference != 0))
                return difference
            }
            #expect(try step(Changeset()) == 0)
            var again = Changeset()
            again.judgeAgain = true
            #expect(try step(again) == 2)
            #expect(try step(lab.changeset([lab.a: .closed])) == 1)
            #expect(try step(lab.changeset([lab.a: .open, lab.b: .closed])) == 1)
            var elsewhere = Changeset()
            elsewhere.views = [(20, lab.a.view(policy: 1))]
            #expect(try step(elsewhere) == 0, "nobody reads it yet")
            var peer = Changeset()
            peer.peers = [(address("10.2.0.77"), PeerEntry(identity: 5, slot: 21, endpoint: 0))]
            #expect(try step(peer) == 0)
        }
    }

    @Test func `what was replaced is removed by settle, and only then`() throws {
        try Lab.run { lab throws in
            func rows() throws -> [PolicyRowReference] {
                try lab.datapath.set.policy.entries().map { PolicyRowReference(stored: $0.key) }
            }
            let many = PolicyRow(
                base: .defaultDeny, ports: (0..<20).map { PortVerdict.allow(.tcp, UInt16(100 + 2 * $0)) })
            try lab.enforce([lab.a: TestPolicy(ingress: [0: many, 5: many], egress: [0: .allowAll])])
            let first = Set(try rows())
            #expect(first.count == 3)
            #expect(try lab.datapath.set.ports.count() == 40)
            let report = try lab.enforce([lab.a: TestPolicy(ingress: [0: .denyAll])])
            #expect(report.rows == 1)
            #expect(report.removed == 3)
            // A packet that began before may still read them.
            #expect(try Set(rows()).isSuperset(of: first))
            #expect(try rows().count == 4)
            let element = lab.datapath.set.endpoints[Int(lab.a.number)]
            #expect(element.view.0.policy != element.view.1.policy)

            try lab.datapath.settle()
            #expect(try rows().count == 1)
            #expect(try lab.datapath.set.ports.count() == 0)
            let settled = lab.datapath.set.endpoints[Int(lab.a.number)]
            #expect(settled.view.0.policy == settled.view.1.policy)
            let epoch = lab.datapath.shared.epoch
            try lab.datapath.settle()
            #expect(lab.datapath.shared.epoch == epoch)
        }
    }

    @Test func `the next change settles the last`() throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.a: TestPolicy(egress: [0: .denyAll])])
            // The view that becomes live must not be the one from before the last change.
            try lab.enforce([lab.b: .closed])
            let talk = Talk(client: lab.a.ipv4, server: lab.c.ipv4)
            #expect(try lab.send(talk.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            try lab.enforce([lab.b: .open])
            #expect(try lab.send(talk.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            #expect(try lab.datapath.set.policy.count() == 1)
        }
    }

    @Test func `a class word changes what an address is`() throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.a: TestPolicy(egress: [500: .allowAll])])
            let talk = Talk(client: lab.a.ipv4, server: Peers.remote.ipv4Address)
            #expect(try lab.send(talk.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            var changes = Changeset()
            changes.classWords = [(Peers.remote.slot, 500)]
            changes.judgeAgain = true
            #expect(try lab.datapath.apply(changes).classWords == 1)
            #expect(try lab.send(talk.opening, by: lab.a).action == .pass)
            let other = Talk(client: lab.a.ipv4, server: Peers.stranger.ipv4Address)
            #expect(try lab.send(other.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test func `removed peers and prefixes are the world's again`() throws {
        try Lab.run { lab throws in
            try lab.enforce([lab.a: TestPolicy(egress: [Peers.world.classID(.ipv4): .allowAll])])
            let remote = Talk(client: lab.a.ipv4, server: Peers.remote.ipv4Address)
            let narrow = Talk(client: lab.a.ipv4, server: Peers.narrow.ipv4Address)
            for talk in [remote, narrow] {
                #expect(try lab.send(talk.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            }
            var changes = Changeset()
            changes.removedPeers = [Peers.remote.ipv4Address, address("10.99.99.99")]
            changes.removedPrefixes = [prefix("192.0.2.128/25")]
            #expect(try lab.datapath.apply(changes).removed == 2)
            #expect(try lab.send(remote.opening, by: lab.a).action == .pass)
            #expect(try lab.send(narrow.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED), "the wide one's")
            changes.removedPrefixes = [prefix("192.0.2.0/24")]
            #expect(try lab.datapath.apply(changes).removed == 1)
            #expect(try lab.send(narrow.opening, by: lab.a).action == .pass)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct MasqueradeFragmentTests {
    private func datagram(_ kind: Traffic, _ from: TestPod, _ family: Family) -> Packet {
        kind.packet(from: from.address(family), to: Peers.world.address(family)).payload(count: 300)
    }

    @Test(arguments: [Traffic.udp, .echo], Family.allCases)
    func `the parts of a datagram are translated alike, both ways`(kind: Traffic, family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            _ = try lab.leave(datagram(kind, lab.c, family))
            for pod in [lab.a, lab.c] {
                let whole = datagram(kind, pod, family)
                // The first makes the mapping, or finds the one that a whole datagram made.
                let first = try lab.leave(whole.fragments(id: 1, size: 64)[0])
                #expect(first.passes)
                let mapping = try #require(try lab.mappings().first { $0.value.owner.address == pod.address(family) })
                let end = Ending(Lab.node(family), UInt16(bigEndian: mapping.key.node_port))
                #expect((end.port == 40_000) == (pod == lab.c))
                let seen = whole.from(end)
                for (sent, expected) in zip(whole.fragments(id: 1, size: 64), seen.fragments(id: 1, size: 64)) {
                    #expect(try lab.leave(sent).bytes == expected.bytes)
                }
                let back = whole.reply.fragments(id: 9, size: 64)
                for (came, expected) in zip(seen.reply.fragments(id: 9, size: 64), back) {
                    #expect(try lab.arrive(came).bytes == expected.bytes)
                }
                // Once the first is known, order doesn't matter.
                for (came, expected) in zip(seen.reply.fragments(id: 9, size: 64), back).reversed() {
                    #expect(try lab.arrive(came).bytes == expected.bytes)
                }
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `parts that nothing is known of are the stack's when they come in`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            _ = try lab.leave(datagram(.udp, lab.a, family))
            let parts = datagram(.udp, lab.a, family).from(Ending(Lab.node(family), 40_000)).reply
                .fragments(id: 2, size: 64)
            #expect(try lab.arrive(parts[1]).bytes == parts[1].bytes)
            #expect(try lab.arrive(parts[0]).bytes != parts[0].bytes)
            #expect(try lab.arrive(parts[1]).bytes != parts[1].bytes)
            // The node's own.
            let own = Packet.udp(from: Peers.world.address(family), to: Lab.node(family), sport: 53, dport: 41_000)
                .payload(count: 200)
            for part in own.fragments(id: 3, size: 64) { #expect(try lab.arrive(part).bytes == part.bytes) }
        }
    }

    @Test func `what comes in for nobody pushes out no answer, and nothing that pods sent`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let maps = try lab.masquerading()
            let parts = datagram(.udp, lab.a, .ipv4).fragments(id: 4, size: 64)
            #expect(!(try lab.send(parts[0], by: lab.a).action.isDrop))
            _ = try lab.leave(datagram(.udp, lab.a, .ipv4))
            let answer = datagram(.udp, lab.a, .ipv4).from(Ending(Lab.node(.ipv4), 40_000)).reply
                .fragments(id: 0, size: 64)
            #expect(try lab.arrive(answer[0]).bytes != answer[0].bytes)
            for id in 1...(4 * UInt32(lab.datapath.configuration.sizes.fragments)) {
                let part = Packet.udp(from: Peers.world.address(.ipv4), to: Lab.node(.ipv4), sport: 5, dport: 6)
                    .payload(count: 64).fragments(id: id, size: 32)[0]
                _ = try lab.arrive(part)
            }
            #expect(try maps.fragments.count() == 1)
            #expect(try lab.arrive(answer[1]).bytes != answer[1].bytes)
            #expect(!(try lab.send(parts[1], by: lab.a).action.isDrop))
        }
    }

    @Test func `fragments that are turned off don't leave, and are the stack's when they come`() throws {
        try Lab.run({ $0.fragments = false }) { lab throws in
            try lab.masquerade()
            let parts = datagram(.udp, lab.a, .ipv4).fragments(id: 5, size: 64)
            #expect(try lab.leave(parts[0]).isDrop(DP_DROP_FRAGMENT))
            let back = parts[0].withIP { ($0.source, $0.destination) = ($0.destination, Lab.node(.ipv4)) }
            #expect(try lab.arrive(back).bytes == back.bytes)
        }
    }
}

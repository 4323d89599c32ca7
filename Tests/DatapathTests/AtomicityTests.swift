// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
@testable import Datapath
import Glibc
import Model
import NetTypes
import PolicyEngine
import TestSupport
import Testing

/// No packet is judged by half of a change: one thread flips between two policies, another sends packets that both
/// policies treat alike, and that any mixture of the two would treat otherwise.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct AtomicityTests {
    private static let flips = 60

    /// What the two policies have in common and a mixture has not.
    private struct Setting {
        /// Pod 1 to pod 2, allowed by neither: one end refuses it in each.
        var refused: [Packet]
        /// From pod 1 and from outside to pod 2, allowed by both.
        var allowed: [Packet]
    }

    private func setting(_ lab: Lab) -> Setting {
        var setting = Setting(refused: [], allowed: [])
        for family in Family.allCases {
            for port in [80, 81].map(UInt16.init) {
                setting.refused.append(
                    Talk(client: lab.a.address(family), server: lab.b.address(family), dport: port).opening)
            }
            setting.allowed.append(
                Talk(client: lab.a.address(family), server: lab.b.address(family), sport: 7, dport: 90).opening)
        }
        return setting
    }

    /// In the one, pod 1 may send to port 80 and pod 2 take from port 81; in the other it is the other way round: who
    /// has one end's old and the other's new rules lets port 80 or 81 pass. Port 90 is for pod 1 only, which is another
    /// class of peer in the other: who has pod 2's new rows and pod 1's old slot refuses it.
    private func policies(_ lab: Lab, _ turn: Int) -> (a: TestPolicy, b: TestPolicy, slot: UInt32) {
        let ports: [UInt16] = turn % 2 == 0 ? [80, 81] : [81, 80]
        let classID: UInt32 = turn % 2 == 0 ? 301 : 302
        return (
            TestPolicy(egress: [0: .only(.allow(.tcp, ports[0]), .allow(.tcp, 90))]),
            TestPolicy(ingress: [classID: .only(.allow(.tcp, 90)), 0: .only(.allow(.tcp, ports[1]))]),
            turn % 2 == 0 ? 40 : 41
        )
    }

    private func changeset(_ lab: Lab, _ turn: Int, _ pods: [TestPod]) -> Changeset {
        let (a, b, slot) = policies(lab, turn)
        var policies: [TestPod: TestPolicy] = [:]
        if pods.contains(lab.a) {
            policies[lab.a] = a
            lab.views[lab.a.number]?.slot4 = slot
            lab.views[lab.a.number]?.slot6 = slot
        }
        if pods.contains(lab.b) { policies[lab.b] = b }
        return lab.changeset(policies)
    }

    /// Frames that stay what they are however often one skb goes through the program: what is redirected gets the
    /// receiver's MAC address, whose last bytes are made those of the sender's gateway.
    private func prepare(_ lab: Lab) throws -> [Hammer.Job] {
        var receiver = lab.b.endpoint
        receiver.mac = lab.a.gateway
        try lab.datapath.setEndpoint(receiver, view: lab.b.view(policy: 1))
        var classes = Changeset()
        classes.classWords = [(40, 301), (41, 302)]
        try lab.datapath.apply(classes)
        try lab.datapath.apply(changeset(lab, 0, [lab.a, lab.b]))
        let setting = setting(lab)
        let jobs = (setting.refused + setting.allowed).map {
            Hammer.Job(frame: $0.sent(by: lab.a).bytes, ifindex: lab.a.ifindex, repetitions: 100)
        }
        try lab.noteDrops()
        return jobs
    }

    private struct Tally: Hashable {
        var passed: UInt64 = 0
        var refused: UInt64 = 0
        var other: UInt64 = 0
    }

    private func tally(_ lab: Lab) throws -> Tally {
        var tally = Tally()
        tally.passed = try lab.packets(at: DP_COUNT_FROM_POD)
        for reason in dropReasons {
            let count = try lab.packets(at: DropCounter(reason: reason, fromPod: true).index)
            if reason == DP_DROP_POLICY_DENIED.rawValue { tally.refused = count } else { tally.other += count }
        }
        return tally
    }

    /// Packets that got another verdict than both policies give, by what the counters say of all runs.
    private func strays(_ lab: Lab, _ before: Tally, _ rounds: Int) throws -> (passed: Int, refused: Int) {
        let after = try tally(lab)
        #expect(after.other == before.other)
        let repetitions = 100 * rounds
        return (
            Int(after.passed - before.passed) - 2 * repetitions, Int(after.refused - before.refused) - 4 * repetitions
        )
    }

    @Test func `packets see the old policy or the new one`() throws {
        try Lab.run { lab throws in
            let jobs = try prepare(lab)
            let before = try tally(lab)
            let hammer = try Hammer(lab, jobs)
            for turn in 1...Self.flips {
                try lab.datapath.apply(changeset(lab, turn, [lab.a, lab.b]))
                #expect(hammer.waitRounds())
                if turn % 3 == 0 { try lab.datapath.settle() }
            }
            let seen = hammer.stop()
            #expect(seen.failure == nil)
            #expect(seen.verdicts == [[2], [2], [2], [2], [7, 0], [7, 0]].map(Set.init) || seen.verdicts.prefix(4).allSatisfy { $0 == [2] })
            let strays = try strays(lab, before, hammer.roundCount)
            #expect(strays.passed == 0, "of \(hammer.roundCount) rounds")
            #expect(strays.refused == 0)
        }
    }

    /// The test above could not fail if it never saw a mixture where there is one.
    @Test func `two changes, one after the other, are seen as two`() throws {
        try Lab.run { lab throws in
            let jobs = try prepare(lab)
            let before = try tally(lab)
            let hammer = try Hammer(lab, jobs)
            for turn in 1...4 {
                for pod in [lab.a, lab.b] {
                    try lab.datapath.apply(changeset(lab, turn, [pod]))
                    #expect(hammer.waitRounds())
                }
            }
            let seen = hammer.stop()
            #expect(seen.failure == nil)
            let strays = try strays(lab, before, hammer.roundCount)
            #expect(strays.passed != 0 || strays.refused != 0)
            #expect(seen.verdicts.prefix(4).contains { $0.count > 1 })
        }
    }
}

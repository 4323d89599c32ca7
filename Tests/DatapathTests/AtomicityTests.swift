// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Model
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

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
            #expect(seen.verdicts.prefix(4).allSatisfy { $0 == [2] })
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

    /// Compiled policies whose selectors divide and join the classes of peers: rows and class words change before the
    /// switch, and must not show.
    @Test func `classes that are divided and joined are not seen to change`() throws {
        try Lab.run { lab throws in
            var receiver = lab.b.endpoint
            receiver.mac = lab.a.gateway
            try lab.datapath.setEndpoint(receiver, view: lab.b.view(policy: 1))
            var compiler = compiler(lab)
            stagePolicy(0, &compiler)
            try lab.datapath.apply(withoutBase(lab))
            try lab.datapath.apply(compiler.commit())

            var jobs: [Hammer.Job] = []
            for family in Family.allCases {
                let (a, b, c) = (lab.a.address(family), lab.b.address(family), lab.c.address(family))
                // Refused by every one of the policies, and allowed by every one.
                for (packet, pod) in [
                    (Talk(client: c, server: b).opening, lab.c), (Talk(client: a, server: b, dport: 81).opening, lab.a),
                    (Talk(client: a, server: b).opening, lab.a),
                ] {
                    jobs.append(Hammer.Job(frame: packet.sent(by: pod).bytes, ifindex: pod.ifindex, repetitions: 50))
                }
            }
            let before = try tally(lab)
            let hammer = try Hammer(lab, jobs)
            var words = 0
            for turn in 1...40 {
                stagePolicy(turn, &compiler)
                let changes = compiler.commit(collecting: turn % 2 == 0)
                words += changes.classWords.count
                try lab.datapath.apply(changes)
                #expect(hammer.waitRounds(1))
            }
            let seen = hammer.stop()
            #expect(seen.failure == nil)
            #expect(words > 20, "classes were divided and joined")
            let after = try tally(lab)
            let repetitions = UInt64(50 * hammer.roundCount)
            #expect(after.passed - before.passed == 2 * repetitions)
            #expect(after.refused - before.refused == 4 * repetitions)
            #expect(after.other == before.other)
        }
    }

    private func compiler(_ lab: Lab) -> PolicyCompiler {
        var compiler = PolicyCompiler()
        for (pod, app) in zip(lab.pods, ["a", "b", "c"]) {
            let labels = SecurityLabels(
                namespace: "default", namespaceLabels: ["team": "x"], podLabels: ["app": app, "tier": "front"])
            compiler.stage(PolicyEndpoint(number: pod.number, addresses: [pod.ipv4, pod.ipv6], labels: labels))
        }
        for family in Family.allCases { compiler.stage(.host, at: Peers.host.address(family)) }
        return compiler
    }

    /// What the lab has by itself, taken away.
    private func withoutBase(_ lab: Lab) -> Changeset {
        let base = lab.base()
        var changes = Changeset()
        changes.removedPeers = base.peers.map(\.address)
        changes.removedPrefixes = base.prefixes.map(\.prefix)
        changes.classWords = base.classWords.map { ($0.slot, 0) }
        return changes
    }

    /// Pod 1 may reach port 80 of pod 2, and nobody else anything, said in ever other ways.
    private func stagePolicy(_ turn: Int, _ compiler: inout PolicyCompiler) {
        func selector(_ labels: Labels, _ expressions: [LabelSelector.Requirement] = []) -> PeerSelector {
            .pods(
                PodSelector(
                    namespaces: .named("default"),
                    pods: LabelSelector(matchLabels: labels, matchExpressions: expressions)))
        }
        let only: [PeerSelector] =
            switch turn % 4 {
            case 0: [selector(["app": "a"])]
            case 1: [selector(["tier": "front"], [.init(key: "app", operator: .in, values: ["a", "x"])])]
            case 2: [selector([:], [.init(key: "app", operator: .notIn, values: ["b", "c"])])]
            default:
                [.addresses(AddressBlock(prefix("10.1.0.1/32"))), .addresses(AddressBlock(prefix("fd00:1::1/128")))]
            }
        let reference = ObjectReference(kind: "Test", namespace: "default", name: "policy-\(turn % 3)")
        compiler.stageRemoval(of: ObjectReference(kind: "Test", namespace: "default", name: "policy-\((turn + 2) % 3)"))
        compiler.stage(
            PolicyObject(
                reference: reference,
                subject: PodSelector(namespaces: .named("default"), pods: LabelSelector(matchLabels: ["app": "b"])),
                defaultDeny: [.ingress],
                rules: [
                    PolicyRule(
                        action: .allow, direction: .ingress, peers: only, ports: [.range(.tcp, PortRange(80))],
                        origin: RuleOrigin(object: reference, direction: .ingress, index: 0))
                ]))
    }
}

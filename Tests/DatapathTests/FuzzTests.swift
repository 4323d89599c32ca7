// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import Model
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Mutated packets against a slow reader of the RFCs and the policy interpreter: the kernel must let pass exactly what
/// these do. `SKEIN_FUZZ_PACKETS` says how many, `SKEIN_FUZZ_SEED` where to begin.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct FuzzTests {
    private static func setting(_ name: String) -> UInt64? {
        unsafe getenv(name).flatMap { UInt64(unsafe String(cString: $0)) }
    }

    static let packets = Int(setting("SKEIN_FUZZ_PACKETS") ?? 1_000_000)
    /// Another one each time; a failure tells which.
    static let seed = setting("SKEIN_FUZZ_SEED") ?? UInt64(time(nil))
    /// Forgetting all connections now and then keeps the kernel's table from evicting some.
    private static let chunk = 20_000

    private static let change: @Sendable (inout DatapathConfiguration) -> Void = {
        $0.sizes.flows = 65_536
        $0.sizes.fragments = 16_384
        $0.eventsPerSecond = 100
    }

    @Test(arguments: [UInt64(0), 1])
    func `the kernel lets pass what the reference lets pass, and nothing else`(part: UInt64) throws {
        try Lab.run(Self.change) { lab throws in try compare(lab, Self.packets / 2, seed: Self.seed &+ part) }
    }

    /// Half of the packets are those of the tunnels' hooks.
    @Test(.enabled(if: TunnelWrapper.isSupported, "needs Linux 6.0"), arguments: Family.allCases)
    func `so it does with tunnels to other nodes`(underlay: Family) throws {
        try Lab.runOverlay(over: underlay, Self.change) { lab throws in
            try compare(lab, Self.packets / 2, seed: Self.seed &+ (underlay == .ipv4 ? 2 : 3))
        }
    }

    private func compare(_ lab: Lab, _ count: Int, seed: UInt64) throws {
        print("FuzzTests: \(count) packets, SKEIN_FUZZ_SEED=\(seed)")
        var random = SplitMix64(seed: seed)
        let changes = try compile(lab)
        var reference = ReferenceDatapath(
            devices: Dictionary(uniqueKeysWithValues: lab.pods.map { ($0.number, $0.ifindex) }),
            tunnels: lab.datapath.configuration.overlay.map {
                .init(
                    link: $0.ifindex, port: $0.port,
                    ends: [1: Peers.node.address(lab.underlay), 2: Elsewhere.node.address(lab.underlay)])
            })
        reference.tables.apply(changes)
        var passed = 0
        var failures = 0
        var left = count
        while left > 0, failures < 5 {
            let corpus = Corpus(lab, count: 2_000, using: &random)
            for _ in 0..<min(left, Self.chunk) where failures < 5 {
                let entry = corpus.next(&random)
                let expected = reference.passes(entry.frame, at: entry.place)
                guard let actual = try run(lab, entry) else {
                    #expect(!expected, "the kernel does not run what the reference lets pass")
                    continue
                }
                if actual { passed += 1 }
                guard actual != expected else { continue }
                failures += 1
                let hex = entry.frame.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
                Issue.record("seed \(seed), \(entry.place): the kernel \(actual ? "passes" : "drops") \(hex)")
            }
            left -= Self.chunk
            #expect(try lab.flows().count == reference.flowCount, "seed \(seed): connections")
            try lab.forgetFlows()
            try lab.datapath.shared.fragments.deleteBatch(lab.datapath.shared.fragments.entries().map(\.key))
            reference.forget()
        }
        // Both would agree on dropping everything.
        #expect(passed > count / 25)
    }

    /// Whether the packet passes. Nil: BPF_PROG_TEST_RUN refuses so short a packet.
    private func run(_ lab: Lab, _ entry: Corpus.Entry) throws -> Bool? {
        let verdict: Int32
        do {
            verdict = try testRun(lab, entry)
        } catch let error as BPFError {
            if error.errno == .invalid, entry.frame.count < 54 { return nil }
            throw error
        }
        guard [0, 2, 7].contains(verdict) else {
            Issue.record("verdict \(verdict)")
            return nil
        }
        return verdict != 2
    }

    private func testRun(_ lab: Lab, _ entry: Corpus.Entry) throws -> Int32 {
        switch entry.place {
        case .from(let number):
            let ifindex = lab.pods[Int(number) - 1].ifindex
            let context = SkbContext(ifindex: ifindex, ingressIfindex: ifindex)
            return try lab.datapath.fromEndpoint.testRun(entry.frame, context: context, returnsPacket: false).verdict
        case .to(let number, let ingress):
            let context = SkbContext(ifindex: lab.pods[Int(number) - 1].ifindex, ingressIfindex: ingress)
            return try lab.datapath.toEndpoint.testRun(entry.frame, context: context, returnsPacket: false).verdict
        case .fromTunnel(let node, let identity):
            let context = SkbContext(ifindex: Lab.tunnelLink, ingressIfindex: Lab.tunnelLink)
            return try #require(lab.tunnel).run(
                entry.frame, from: node, identity, .fromOverlay, context: context, returnsPacket: false
            ).verdict
        case .toTunnel(let ingress):
            let context = SkbContext(ifindex: Lab.tunnelLink, ingressIfindex: ingress)
            return try #require(lab.datapath.overlay).to.testRun(
                entry.frame, context: context, returnsPacket: false
            ).verdict
        }
    }

    /// Puts compiled policies of all languages' parts into the kernel and gives all that is in it.
    private func compile(_ lab: Lab) throws -> Changeset {
        var compiler = PolicyCompiler()
        func labels(_ app: String) -> SecurityLabels {
            SecurityLabels(namespace: "default", namespaceLabels: [:], podLabels: ["app": app])
        }
        let apps = ["a", "b", "c"]
        for (pod, app) in zip(lab.pods, apps) {
            compiler.stage(
                PolicyEndpoint(number: pod.number, addresses: [pod.ipv4, pod.ipv6], labels: labels(app)))
        }
        let hasTunnels = lab.datapath.configuration.overlay != nil
        let numbers: [UInt32] = hasTunnels ? [1, 2] : [0, 0]
        for family in Family.allCases {
            compiler.stage(.host, at: Peers.host.address(family))
            compiler.stage(.remoteNode, at: Peers.node.address(family), node: numbers[0])
            compiler.stage(.pod(labels("remote"), namedPorts: []), at: Peers.remote.address(family), node: numbers[0])
            compiler.stage(
                .pod(labels("stranger"), namedPorts: []), at: Peers.stranger.address(family), node: numbers[1])
            guard hasTunnels else { continue }
            compiler.stage(.remoteNode, at: Elsewhere.node.address(family), node: numbers[1])
            compiler.stage(
                .kubeAPIServer(on: .remoteNode), at: Elsewhere.apiServer.address(family), node: numbers[1])
            compiler.stage(.service, at: Elsewhere.service.address(family))
        }
        if hasTunnels {
            for (peer, app) in [(Peers.remote, "remote"), (Peers.stranger, "stranger"), (Elsewhere.unheard, "a")] {
                compiler.stage(identity: peer.identity, labels(app))
            }
        }
        for object in Self.objects { compiler.stage(object) }
        let compiled = compiler.commit()

        var empty = Changeset()
        let base = lab.base()
        empty.removedPeers = base.peers.map(\.address)
        empty.removedPrefixes = base.prefixes.map(\.prefix)
        empty.classWords = (base.classWords + Elsewhere.changes.classWords).map { ($0.slot, 0) }
        try lab.datapath.apply(empty)
        try lab.datapath.apply(compiled)
        return compiled
    }

    private static let objects: [PolicyObject] = {
        func pods(_ app: String) -> PodSelector {
            PodSelector(namespaces: .named("default"), pods: LabelSelector(matchLabels: ["app": app]))
        }
        func block(_ text: String, except: [String] = []) -> PeerSelector {
            .addresses(AddressBlock(prefix(text), except: except.map { prefix($0) }))
        }
        func ports(_ number: IPProtocol, _ first: UInt16, _ last: UInt16) -> PortSelector {
            .range(number, PortRange(first: first, last: last) ?? PortRange(first))
        }
        func object(_ name: String, _ app: String, _ deny: Set<Direction>, _ rules: [PolicyRule]) -> PolicyObject {
            let reference = ObjectReference(kind: "Test", namespace: "default", name: name)
            return PolicyObject(
                reference: reference, subject: pods(app), defaultDeny: deny,
                rules: rules.enumerated().map { index, rule in
                    var rule = rule
                    rule.origin = RuleOrigin(object: reference, direction: rule.direction, index: index)
                    return rule
                })
        }
        func rule(
            _ direction: Direction, _ peers: [PeerSelector]?, _ ports: [PortSelector]?, action: RuleAction = .allow,
            tier: Tier = .networkPolicy
        ) -> PolicyRule {
            let none = ObjectReference(kind: "", namespace: "", name: "")
            return PolicyRule(
                tier: tier, action: action, direction: direction, peers: peers, ports: ports,
                origin: RuleOrigin(object: none, direction: direction, index: 0))
        }
        return [
            object(
                "b-ingress", "b", [.ingress],
                [
                    rule(
                        .ingress, [.pods(pods("a"))],
                        [ports(.tcp, 80, 80), ports(.tcp, 8_000, 8_100), ports(.sctp, 80, 80)]),
                    rule(.ingress, nil, [ports(.udp, 53, 53)]),
                    rule(.ingress, [block("192.0.2.0/24", except: ["192.0.2.128/25"]), block("2001:db8:1::/48")], nil),
                    rule(.ingress, [.pods(pods("remote"))], [ports(.icmp, 8, 8), ports(.icmpv6, 128, 128)]),
                ]),
            object(
                "a-egress", "a", [.egress],
                [
                    rule(
                        .egress, [.pods(pods("b"))],
                        [ports(.tcp, 1, 100), ports(.udp, 0, 65_535), ports(.sctp, 80, 81)]),
                    rule(.egress, [.pods(pods("c"))], nil),
                    rule(
                        .egress, [block("0.0.0.0/0", except: ["10.0.0.0/8"]), block("2001:db8::/32")],
                        [
                            ports(.udp, 53, 53), ports(.tcp, 53, 53), ports(.tcp, 80, 80), ports(.tcp, 81, 82),
                            ports(.tcp, 40_000, 50_000), ports(.udp, 8_000, 8_191), ports(.icmp, 8, 8),
                        ]),
                    rule(.egress, [block("10.1.255.0/24"), block("fd00:1::ffff:0/112")], [ports(.tcp, 80, 80)]),
                ]),
            object(
                "c-admin", "c", [],
                [
                    rule(.ingress, [.pods(pods("stranger"))], nil, action: .deny, tier: .admin),
                    rule(.egress, [block("203.0.113.0/24")], [ports(.tcp, 80, 81)], action: .deny, tier: .admin),
                ]),
        ]
    }()
}

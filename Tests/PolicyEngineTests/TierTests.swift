// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

/// Admin and baseline tiers, priorities, Deny and Pass, against the rules of precedence written down as loops.
@Suite struct TierTests {
    private static let apps = ["a", "b", "c"]
    private static let server = IPAddress(v4: 0x0a00_0064)

    private static func labels(_ app: String) -> SecurityLabels {
        SecurityLabels(namespace: "default", nil, podLabels: ["app": app])
    }

    private static func address(_ app: String) -> IPAddress {
        IPAddress(v4: 0x0a00_0001 + UInt32(apps.firstIndex(of: app) ?? 9))
    }

    private static func objects(_ random: inout SplitMix64) -> [PolicyObject] {
        (0..<Int.random(in: 1...5, using: &random)).map { number in
            let tier = random.pick(Tier.allCases)
            let reference = ObjectReference(kind: "Policy", namespace: "", name: "object\(number)")
            var object = PolicyObject(
                reference: reference,
                subject: PodSelector(
                    namespaces: random.chance(50) ? .named("default") : .matching(LabelSelector()),
                    pods: random.chance(80) ? LabelSelector() : LabelSelector(matchLabels: ["app": "a"])))
            if tier == .networkPolicy, random.chance(60) { object.defaultDeny = [.ingress] }
            let priority = random.pick([1, 5, 5, 9])
            object.rules = (0..<Int.random(in: 0...4, using: &random)).map { index in
                PolicyRule(
                    tier: tier, priority: priority, action: random.pick([.allow, .deny, .pass]),
                    direction: random.chance(90) ? .ingress : .egress, peers: peers(&random), ports: ports(&random),
                    origin: RuleOrigin(object: reference, direction: .ingress, index: index))
            }
            return object
        }
    }

    private static func peers(_ random: inout SplitMix64) -> [PeerSelector]? {
        if random.chance(30) { return nil }
        return random.subset(apps, percent: 40).map {
            .pods(PodSelector(namespaces: .named("default"), pods: LabelSelector(matchLabels: ["app": $0])))
        }
    }

    private static func ports(_ random: inout SplitMix64) -> [PortSelector]? {
        if random.chance(30) { return nil }
        return random.subset([80, 81, 90, 443], percent: 40).compactMap { first in
            PortRange(first: first, last: random.pick([first, first + 10])).map { .range(.tcp, $0) }
        }
    }

    /// 1 allowed, 2 refused by a rule, 0 refused because no rule allows it.
    private static func expected(_ objects: [PolicyObject], app: String, port: UInt16) -> UInt8 {
        let server = labels("server")
        var rules: [(tier: Tier, priority: Int, rule: PolicyRule)] = []
        var isolated = false
        for object in objects where object.subject.pods.matches(server.podLabels) {
            if object.defaultDeny.contains(.ingress) { isolated = true }
            for rule in object.rules where rule.direction == .ingress { rules.append((rule.tier, rule.priority, rule)) }
        }
        func hits(_ rule: PolicyRule) -> Bool {
            let isPeer = rule.peers?.contains { peer in
                if case .pods(let pods) = peer { pods.matches(labels(app)) } else { false }
            }
            let isCovered = rule.ports?.contains { selector in
                if case .range(_, let ports) = selector { ports.contains(port) } else { false }
            }
            return isPeer ?? true && isCovered ?? true
        }
        func ordered(_ tier: Tier) -> RuleAction? {
            for priority in 0...10 {
                for (ruleTier, rulePriority, rule) in rules where ruleTier == tier && rulePriority == priority {
                    if hits(rule) { return rule.action }
                }
            }
            return nil
        }
        switch ordered(.admin) {
        case .allow: return 1
        case .deny: return 2
        case .pass, nil: break
        }
        let union = rules.filter { $0.tier == .networkPolicy && hits($0.rule) }.map(\.rule.action)
        if union.contains(.deny) { return 2 }
        if union.contains(.allow) { return 1 }
        if isolated { return 0 }
        return ordered(.baseline) == .deny ? 2 : 1
    }

    @Test(arguments: 0..<20)
    func `tiers, priorities, Deny and Pass settle as the loops say`(block: Int) {
        for seed in UInt64(block * 20)..<UInt64(block * 20 + 20) {
            var random = SplitMix64(seed: seed)
            let objects = Self.objects(&random)
            var compiler = PolicyCompiler()
            for app in Self.apps { compiler.stage(.pod(Self.labels(app), namedPorts: []), at: Self.address(app)) }
            compiler.stage(PolicyEndpoint(number: 1, addresses: [Self.server], labels: Self.labels("server")))
            for object in objects { compiler.stage(object) }
            var state = TableState()
            state.apply(compiler.commit())
            for app in Self.apps {
                for port: UInt16 in [1, 79, 80, 81, 85, 90, 91, 95, 100, 443, 453, 454] {
                    let judgement = interpret(
                        state, from: Self.address(app), to: Self.server, protocol: .tcp, port: port)
                    let expected = Self.expected(objects, app: app, port: port)
                    #expect(
                        judgement.verdict.verdict.rawValue == expected, "seed \(seed): \(app) to \(port): \(judgement)")
                    let explanation = compiler.explain(
                        from: compiler.party(at: Self.address(app)), to: compiler.party(at: Self.server),
                        protocol: .tcp, port: port)
                    #expect(
                        explanation.ingress.isAllowed == (expected == 1),
                        "seed \(seed): \(app) to \(port): \(explanation)")
                }
            }
        }
    }
}

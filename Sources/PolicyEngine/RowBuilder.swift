// SPDX-License-Identifier: Apache-2.0

import NetTypes

/// Settles precedence: from the rules that apply to a peer to disjoint port ranges with one verdict each.
struct RowBuilder {
    struct PortSet: Hashable, Sendable {
        let `protocol`: UInt8
        let ports: PortRange
    }

    struct Rule: Sendable {
        let tier: Tier
        let action: RuleAction
        let cookie: UInt32
        /// nil: everything, whatever the protocol.
        var ports: [PortSet]?
    }

    /// In order of precedence: tiers in order, in each the first that matches decides. In the networkPolicy tier
    /// that means Deny first.
    let rules: [Rule]
    /// Whoever finds no rule in the networkPolicy tier is refused.
    let isolated: Bool

    func row() -> PolicyRow {
        let base = verdict(decide(cells: 1) { rule in rule.ports == nil ? [0..<1] : [] }[0])
        var protocols = rules.flatMap { $0.ports?.map(\.protocol) ?? [] }
        guard !protocols.isEmpty else { return PolicyRow(base: base, ports: []) }
        protocols.sortUnique()
        return PolicyRow(base: base, ports: protocols.flatMap { segments(of: $0, base: base) })
    }

    private func segments(of number: UInt8, base: RowVerdict) -> [PortVerdict] {
        var cuts: [Int] = [0, 65536]
        for rule in rules {
            for set in rule.ports ?? [] where set.protocol == number {
                cuts.append(Int(set.ports.first))
                cuts.append(Int(set.ports.last) + 1)
            }
        }
        cuts.sortUnique()
        let decisions = decide(cells: cuts.count - 1) { rule in
            guard let ports = rule.ports else { return [0..<(cuts.count - 1)] }
            return ports.filter { $0.protocol == number }.map {
                cuts.lowerBound(of: Int($0.ports.first))..<cuts.lowerBound(of: Int($0.ports.last) + 1)
            }
        }
        var result: [PortVerdict] = []
        var start = 0
        while start < decisions.count {
            let verdict = verdict(decisions[start])
            var end = start + 1
            while end < decisions.count, self.verdict(decisions[end]) == verdict { end += 1 }
            if verdict != base,
                let ports = PortRange(first: UInt16(cuts[start]), last: UInt16(cuts[end] - 1))
            {
                result.append(PortVerdict(protocol: number, ports: ports, verdict: verdict))
            }
            start = end
        }
        return result
    }

    private enum Decision {
        case open
        /// Open for the next tier only.
        case passed
        case rule(Int)
        case defaultDeny
    }

    /// Goes through the rules in order and lets each decide the cells that it covers and no rule before it has.
    private func decide(cells: Int, covered: (Rule) -> [Range<Int>]) -> [Decision] {
        var decisions = [Decision](repeating: .open, count: cells)
        var next = 0
        for tier in Tier.allCases {
            while next < rules.count, rules[next].tier == tier {
                for cell in covered(rules[next]).joined() {
                    guard case .open = decisions[cell] else { continue }
                    decisions[cell] = rules[next].action == .pass ? .passed : .rule(next)
                }
                next += 1
            }
            for cell in 0..<cells {
                if case .passed = decisions[cell] { decisions[cell] = .open }
                if tier == .networkPolicy, isolated, case .open = decisions[cell] { decisions[cell] = .defaultDeny }
            }
        }
        return decisions
    }

    private func verdict(_ decision: Decision) -> RowVerdict {
        switch decision {
        case .open, .passed: .defaultAllow
        case .defaultDeny: .defaultDeny
        case .rule(let index):
            RowVerdict(verdict: rules[index].action == .deny ? .deny : .allow, cookie: rules[index].cookie)
        }
    }
}

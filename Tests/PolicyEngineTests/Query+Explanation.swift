// SPDX-License-Identifier: Apache-2.0

import PolicyEngine

extension Query {
    /// nil: the compiler explains the verdict that the tables give, and by the same rule.
    func difference(_ compiler: PolicyCompiler, _ state: TableState) -> String? {
        let explanation = compiler.explain(
            from: compiler.party(at: source), to: compiler.party(at: destination), protocol: self.protocol, port: port)
        let judgement = judge(state)
        let part = judgement.direction == .ingress ? explanation.ingress : explanation.egress
        var origin: RuleOrigin?
        if case .rule(let rule, _) = part.reason { origin = rule }
        guard
            explanation.isAllowed != judgement.isAllowed || origin != compiler.origin(of: judgement.verdict.cookie)
        else { return nil }
        return "\(self): \(judgement), explained: \(explanation)"
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
package import NetTypes

extension PolicyCompiler {
    /// Who lets a connection pass or refuses it, found from the rules themselves and not from what they were compiled
    /// to; for all known pods, whichever node they are on.
    ///
    /// - Parameter port: of the side that is connected to; the type for ICMP.
    package func explain(
        from source: PolicyParty, to destination: PolicyParty, protocol number: IPProtocol, port: UInt16
    ) -> Explanation {
        let question = Question(source: source, destination: destination, protocol: number, port: port)
        let egress = answer(.egress, of: source, question)
        let ingress =
            source.isHost && destination.labels != nil
            ? Explanation.Part(direction: .ingress, subject: destination.name, reason: .nodeItself)
            : answer(.ingress, of: destination, question)
        return Explanation(egress: egress, ingress: ingress)
    }

    private struct Question {
        let source: PolicyParty
        let destination: PolicyParty
        let `protocol`: IPProtocol
        let port: UInt16

        func peer(_ direction: Direction) -> PolicyParty { direction == .ingress ? source : destination }

        func isMatched(by rule: PolicyRule) -> Bool {
            if let peers = rule.peers, !peers.contains(where: peer(rule.direction).isMatched) { return false }
            guard let ports = rule.ports else { return true }
            return ports.contains { destination.isReached(by: $0, `protocol`, port) }
        }
    }

    private func answer(_ direction: Direction, of subject: PolicyParty, _ question: Question) -> Explanation.Part {
        guard let labels = subject.labels else {
            return Explanation.Part(direction: direction, subject: subject.name, reason: .noPod)
        }
        let selecting = objects.objects(objects.selecting(labels))
        let reason = Self.reason(selecting, direction, question.isMatched)
        return Explanation.Part(direction: direction, subject: subject.name, reason: reason)
    }

    /// The tiers in order, by the book.
    private static func reason(
        _ objects: [PolicyObject], _ direction: Direction, _ matches: (PolicyRule) -> Bool
    ) -> Explanation.Reason {
        let rules = objects.flatMap(\.rules).filter { $0.direction == direction }
        let isolating = objects.filter { $0.defaultDeny.contains(direction) }.map(\.reference)
        if rules.isEmpty, isolating.isEmpty { return .noPolicy }

        if let rule = first(.admin, rules, matches), rule.action != .pass { return .rule(rule.origin, rule.action) }
        let union = rules.filter { $0.tier == .networkPolicy && $0.action != .pass }
        // The same choice among equals as the compiler's: rules for all ports first.
        let ordered = union.filter { $0.ports == nil } + union.filter { $0.ports != nil }
        if let rule = union.first(where: { $0.action == .deny && matches($0) }) { return .rule(rule.origin, .deny) }
        if let rule = ordered.first(where: { $0.action == .allow && matches($0) }) {
            return .rule(rule.origin, .allow)
        }
        if !isolating.isEmpty { return .isolated(isolating) }
        if let rule = first(.baseline, rules, matches), rule.action != .pass {
            return .rule(rule.origin, rule.action)
        }
        return .noRule
    }

    private static func first(
        _ tier: Tier, _ rules: [PolicyRule], _ matches: (PolicyRule) -> Bool
    ) -> PolicyRule? {
        let ordered = rules.filter { $0.tier == tier }.enumerated()
            .sorted { ($0.element.priority, $0.offset) < ($1.element.priority, $1.offset) }
        return ordered.first { matches($0.element) }?.element
    }
}

// SPDX-License-Identifier: Apache-2.0

package import Model

/// Why a connection may be made or may not.
package struct Explanation: Hashable, Sendable {
    package enum Reason: Hashable, Sendable {
        /// Allow or Deny of this rule.
        case rule(RuleOrigin, RuleAction)
        /// These objects isolate the pod, and no rule of any object matches.
        case isolated([ObjectReference])
        /// Policies select the pod, but none isolates it and no rule matches.
        case noRule
        case noPolicy
        /// Policies hold for pods only.
        case noPod
        /// A node's own processes always reach its pods.
        case nodeItself
    }

    /// What one end has to say.
    package struct Part: Hashable, Sendable {
        package let direction: Direction
        /// The end whose policies were asked.
        package let subject: String
        package let reason: Reason
    }

    /// Of the side that connects.
    package let egress: Part
    /// Of the side that is connected to.
    package let ingress: Part

    /// Both ends have to allow it.
    package var isAllowed: Bool { egress.isAllowed && ingress.isAllowed }
}

extension Explanation.Part {
    package var isAllowed: Bool {
        switch reason {
        case .rule(_, let action): action != .deny
        case .isolated: false
        case .noRule, .noPolicy, .noPod, .nodeItself: true
        }
    }
}

extension Explanation.Part: CustomStringConvertible {
    /// `ingress of default/web: allowed by NetworkPolicy default/web ingress rule 2`
    package var description: String { "\(direction) of \(subject): \(text)" }

    private var text: String {
        switch reason {
        case .rule(let origin, .deny): "refused by \(origin)"
        case .rule(let origin, _): "allowed by \(origin)"
        case .isolated(let objects):
            "refused: isolated by \(objects.map(\.description).joined(separator: ", ")), and no rule matches"
        case .noRule: "allowed: no rule matches, and no policy isolates it for \(direction)"
        case .noPolicy: "allowed: no policy selects it for \(direction)"
        case .noPod: "allowed: policies hold for pods only"
        case .nodeItself: "allowed: the node itself always reaches its pods"
        }
    }
}

extension Explanation: CustomStringConvertible {
    package var description: String { "\(egress)\n\(ingress)\n=> \(isAllowed ? "allowed" : "refused")" }
}

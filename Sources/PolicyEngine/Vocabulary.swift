// SPDX-License-Identifier: Apache-2.0

package import Model

/// Seen from the endpoint that a policy selects. The numbers are those of `enum dp_direction`.
package enum Direction: UInt8, CaseIterable, Sendable {
    case ingress = 0
    case egress = 1
}

extension Direction: CustomStringConvertible {
    package var description: String { self == .ingress ? "ingress" : "egress" }
}

/// Asked in this order; the first tier that has an answer decides.
package enum Tier: UInt8, CaseIterable, Sendable {
    case admin = 0
    /// Rules are a union here, and Deny beats Allow; who is isolated and finds no rule is refused for good.
    case networkPolicy = 1
    case baseline = 2
}

extension Tier: Comparable {
    package static func < (a: Tier, b: Tier) -> Bool { a.rawValue < b.rawValue }
}

package enum RuleAction: UInt8, Sendable {
    case allow = 1
    case deny = 2
    /// Leave it to the next tier. Without effect in the `networkPolicy` tier, where no rule comes before another.
    case pass = 3
}

/// Which rule it was, for people.
package struct RuleOrigin: Hashable, Sendable {
    /// Objects may have a list of rules that deny beside the usual one.
    package enum List: UInt8, Hashable, Sendable {
        case usual
        case deny
    }

    package let object: ObjectReference
    package let direction: Direction
    package let list: List
    /// Position in the object's list of rules of that direction, from 0.
    package let index: Int
    /// Which of the object's `specs` it is in, from 0; nil: in its `spec`.
    package let part: Int?

    package init(
        object: ObjectReference, direction: Direction, list: List = .usual, index: Int, part: Int? = nil
    ) {
        self.object = object
        self.direction = direction
        self.list = list
        self.index = index
        self.part = part
    }
}

extension RuleOrigin: CustomStringConvertible {
    /// `NetworkPolicy default/web ingress rule 2`: people count from 1. With deny rules and several specs,
    /// `SkeinNetworkPolicy default/web spec 3 ingressDeny rule 2`.
    package var description: String {
        let place = part.map { " spec \($0 + 1)" } ?? ""
        return "\(object)\(place) \(direction)\(list == .deny ? "Deny" : "") rule \(index + 1)"
    }
}

// SPDX-License-Identifier: Apache-2.0

/// A selector of `meta/v1`: everything in it has to hold. An empty one matches every object; "no selector" is
/// a nil of it, and what that means is up to the field.
package struct LabelSelector: Hashable, Sendable {
    /// One element of `matchExpressions`.
    package struct Requirement: Hashable, Sendable {
        package enum Operator: Hashable, Sendable {
            /// The key is there and has one of the values.
            case `in`
            /// The key is absent, or has none of the values.
            case notIn
            case exists
            case doesNotExist
            /// A text that is no operator. It matches nothing; validation reports it.
            case unknown(String)
        }

        package var key: String
        package var `operator`: Operator
        package var values: [String]

        package init(key: String, operator: Operator, values: [String] = []) {
            self.key = key
            self.operator = `operator`
            self.values = values
        }

        package func matches(_ labels: Labels) -> Bool {
            let value = labels[key]
            return switch `operator` {
            case .in: value.map(values.contains) ?? false
            case .notIn: value.map { !values.contains($0) } ?? true
            case .exists: value != nil
            case .doesNotExist: value == nil
            case .unknown: false
            }
        }
    }

    package var matchLabels: Labels
    package var matchExpressions: [Requirement]

    package init(matchLabels: Labels = [:], matchExpressions: [Requirement] = []) {
        self.matchLabels = matchLabels
        self.matchExpressions = matchExpressions
    }

    /// True of the selector that matches everything.
    package var isEmpty: Bool { matchLabels.isEmpty && matchExpressions.isEmpty }

    package func matches(_ labels: Labels) -> Bool {
        matchLabels.allSatisfy { labels[$0.key] == $0.value } && matchExpressions.allSatisfy { $0.matches(labels) }
    }
}

extension LabelSelector.Requirement.Operator: RawRepresentable {
    package init(rawValue: String) {
        switch rawValue {
        case "In": self = .in
        case "NotIn": self = .notIn
        case "Exists": self = .exists
        case "DoesNotExist": self = .doesNotExist
        default: self = .unknown(rawValue)
        }
    }

    /// As the API writes it.
    package var rawValue: String {
        switch self {
        case .in: "In"
        case .notIn: "NotIn"
        case .exists: "Exists"
        case .doesNotExist: "DoesNotExist"
        case .unknown(let text): text
        }
    }
}

extension LabelSelector: CustomStringConvertible {
    /// As kubectl's `--selector` takes it: `app=web,tier in (a,b),!debug`; `<all>` for the empty one.
    package var description: String {
        if isEmpty { return "<all>" }
        return (matchLabels.map { "\($0.key)=\($0.value)" } + matchExpressions.map(\.description))
            .joined(separator: ",")
    }
}

extension LabelSelector.Requirement: CustomStringConvertible {
    package var description: String {
        switch `operator` {
        case .in: "\(key) in (\(values.joined(separator: ",")))"
        case .notIn: "\(key) notin (\(values.joined(separator: ",")))"
        case .exists: key
        case .doesNotExist: "!\(key)"
        case .unknown(let text): "\(key) \(text) (\(values.joined(separator: ",")))"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What is wrong with one field of an object.
package struct FieldError: Error, Hashable, Sendable {
    /// From the object's root: `spec.ingress[1].from[0].ipBlock.cidr`.
    package let path: String
    /// Without the path; names the value if there is one.
    package let text: String

    package init(path: String, text: String) {
        self.path = path
        self.text = text
    }
}

extension FieldError: CustomStringConvertible {
    package var description: String { "\(path): \(text)" }
}

/// Collects errors while a walk through an object keeps the path.
struct FieldErrors {
    private(set) var list: [FieldError] = []

    mutating func add(_ path: String, _ text: String) {
        list.append(FieldError(path: path, text: text))
    }

    /// `problem` is what a check of `Syntax` found; nil adds nothing.
    mutating func add(_ path: String, value: String, _ problem: String?) {
        if let problem { add(path, "\"\(value)\" \(problem)") }
    }

    mutating func append(_ others: FieldErrors) {
        list += others.list
    }

    mutating func addSelector(_ path: String, _ selector: LabelSelector) {
        addLabels("\(path).matchLabels", selector.matchLabels)
        for (index, requirement) in selector.matchExpressions.enumerated() {
            addRequirement("\(path).matchExpressions[\(index)]", requirement)
        }
    }

    mutating func addLabels(_ path: String, _ labels: Labels) {
        for label in labels {
            add(path, value: label.key, Syntax.labelKeyProblem(label.key))
            add("\(path)[\(label.key)]", value: label.value, Syntax.labelValueProblem(label.value))
        }
    }

    private mutating func addRequirement(_ path: String, _ requirement: LabelSelector.Requirement) {
        add("\(path).key", value: requirement.key, Syntax.labelKeyProblem(requirement.key))
        addOperator(path, requirement)
    }

    /// All but the key.
    mutating func addOperator(_ path: String, _ requirement: LabelSelector.Requirement) {
        let name = requirement.operator.rawValue
        switch requirement.operator {
        case .in, .notIn:
            if requirement.values.isEmpty { add("\(path).values", "operator \(name) needs at least one value") }
        case .exists, .doesNotExist:
            if !requirement.values.isEmpty { add("\(path).values", "operator \(name) takes no values") }
        case .unknown:
            add("\(path).operator", "\"\(name)\" is none of In, NotIn, Exists, DoesNotExist")
        }
        for (index, value) in requirement.values.enumerated() {
            add("\(path).values[\(index)]", value: value, Syntax.labelValueProblem(value))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

import Model
import Testing

@Suite struct LabelSelectorTests {
    struct Case: CustomStringConvertible {
        let requirement: LabelSelector.Requirement
        let labels: Labels
        let matches: Bool
        var description: String { "\(requirement) on {\(labels)}" }

        init(_ key: String, _ text: String, _ values: [String], _ labels: Labels, _ matches: Bool) {
            requirement = .init(key: key, operator: .init(rawValue: text), values: values)
            self.labels = labels
            self.matches = matches
        }
    }

    @Test(arguments: [
        Case("app", "In", ["web", "db"], ["app": "db"], true),
        Case("app", "In", ["web"], ["app": "db"], false),
        Case("app", "In", ["web"], [:], false),
        Case("app", "In", [""], ["app": ""], true),
        Case("app", "In", [""], [:], false),
        Case("app", "NotIn", ["web"], ["app": "db"], true),
        Case("app", "NotIn", ["web"], ["app": "web"], false),
        Case("app", "NotIn", ["web"], [:], true),
        Case("app", "Exists", [], ["app": ""], true),
        Case("app", "Exists", [], ["apps": "x"], false),
        Case("app", "DoesNotExist", [], ["apps": "x"], true),
        Case("app", "DoesNotExist", [], ["app": "x"], false),
        Case("app", "in", ["web"], ["app": "web"], false),
    ])
    func `a requirement matches as Kubernetes defines it`(test: Case) {
        #expect(test.requirement.matches(test.labels) == test.matches)
        #expect(LabelSelector(matchExpressions: [test.requirement]).matches(test.labels) == test.matches)
    }

    @Test func `the empty selector matches everything`() {
        #expect(LabelSelector().matches([:]))
        #expect(LabelSelector().matches(["a": "b"]))
        #expect(LabelSelector().isEmpty)
    }

    @Test func `all parts have to hold`() {
        let selector = LabelSelector(
            matchLabels: ["app": "web", "tier": "front"],
            matchExpressions: [.init(key: "debug", operator: .doesNotExist)])
        #expect(selector.matches(["app": "web", "tier": "front", "other": "x"]))
        #expect(!selector.matches(["app": "web"]))
        #expect(!selector.matches(["app": "web", "tier": "front", "debug": "yes"]))
        #expect(selector.description == "app=web,tier=front,!debug")
    }

    @Test(arguments: ["In", "NotIn", "Exists", "DoesNotExist", "Nonsense"])
    func `operators keep their text`(text: String) {
        #expect(LabelSelector.Requirement.Operator(rawValue: text).rawValue == text)
    }
}

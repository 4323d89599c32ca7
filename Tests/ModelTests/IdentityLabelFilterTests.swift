// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Model

@Suite struct IdentityLabelFilterTests {
    private func rules(_ texts: [String]) throws -> [IdentityLabelFilter.Rule] {
        try texts.map { try #require(IdentityLabelFilter.Rule($0)) }
    }

    @Test(arguments: [
        ("pod-template-hash", false), ("controller-revision-hash", false), ("controller-uid", false),
        ("batch.kubernetes.io/controller-uid", false), ("batch.kubernetes.io/job-completion-index", false),
        ("apps.kubernetes.io/pod-index", false), ("job-name", false), ("batch.kubernetes.io/job-name", false),
        ("statefulset.kubernetes.io/pod-name", false), ("pod-template-generation", false),
        ("app", true), ("app.kubernetes.io/name", true), ("hash", true), ("uid-of-it", true), ("my-job-name", true),
        ("example.com/pod-names", true),
    ])
    func `the standard leaves out what is another with each pod or rollout, and nothing else`(
        key: String, isKept: Bool
    ) {
        #expect(IdentityLabelFilter.standard.keeps(key, of: .pod) == isKept)
        #expect(IdentityLabelFilter.standard.keeps(key, of: .namespace) == isKept)
    }

    @Test(arguments: [
        ("app", "app", true), ("app", "apps", false), ("app", "ap", false), ("*", "anything", true), ("*", "", true),
        ("a*c", "abbc", true), ("a*c", "ac", true), ("a*c", "acb", false), ("a*b*c", "aXbXbYc", true),
        ("*.io/*", "x.io/y", true), ("*.io/*", "x.io", false), ("**", "x", true), ("a*", "a", true),
        ("*ab", "aab", true), ("*ab", "aba", false), ("é*", "éa", true),
    ])
    func `a star stands for any characters`(pattern: String, key: String, matches: Bool) {
        let filter = IdentityLabelFilter(rules: [.init(pattern, keeps: false)])
        #expect(filter.keeps(key, of: .pod) == !matches)
    }

    @Test func `the last rule that matches decides`() throws {
        let own = try rules(["job-name", "!namespace:team", "!*", "app"])
        let filter = IdentityLabelFilter.standard.adding(own)
        #expect(!filter.keeps("job-name", of: .pod))
        #expect(filter.keeps("app", of: .pod))
        #expect(IdentityLabelFilter.standard.adding(try rules(["job-name"])).keeps("job-name", of: .pod))
        let scoped = IdentityLabelFilter(rules: try rules(["!namespace:team"]))
        #expect(scoped.keeps("team", of: .pod))
        #expect(!scoped.keeps("team", of: .namespace))
    }

    @Test func `the label with the namespace's name stays whatever the rules say`() throws {
        let filter = IdentityLabelFilter(rules: try rules(["!*"]))
        let labels = SecurityLabels(
            namespace: "shop", Namespace(name: "shop", labels: ["team": "a"]), podLabels: ["app": "web"])
        let expected = SecurityLabels(
            namespace: "shop", namespaceLabels: ["kubernetes.io/metadata.name": "shop"], podLabels: [:])
        #expect(filter.filtered(labels) == expected)
    }

    @Test func `pods of one set have one identity after filtering, and filtering again changes nothing`() {
        func pod(_ hash: String) -> SecurityLabels {
            SecurityLabels(namespace: "shop", nil, podLabels: ["app": "web", "pod-template-hash": hash])
        }
        let filter = IdentityLabelFilter.standard
        #expect(filter.filtered(pod("a")) == filter.filtered(pod("b")))
        #expect(filter.filtered(filter.filtered(pod("a"))) == filter.filtered(pod("a")))
        let plain = SecurityLabels(namespace: "shop", nil, podLabels: ["app": "web"])
        #expect(filter.filtered(plain) == plain)
    }

    @Test(arguments: ["app", "!*-hash", "namespace:team", "!pod:a.b/c_d"])
    func `rules are written as they are read`(text: String) throws {
        #expect(try #require(IdentityLabelFilter.Rule(text)).description == text)
    }

    @Test(arguments: ["", "!", "node:app", "pod:", "a b", "!!a", "pod:pod:a", "a=b"])
    func `what no key can match is no rule`(text: String) {
        #expect(IdentityLabelFilter.Rule(text) == nil)
    }
}

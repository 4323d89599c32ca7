// SPDX-License-Identifier: Apache-2.0

/// Which labels take part in identities. All nodes of a cluster must use the same one.
///
/// Every label that differs from pod to pod makes an identity for each of them, which the whole cluster has to keep. But
/// a policy can only select by labels that are in identities, and any label may be one that somebody selects by. So the
/// standard is to keep all, but for what controllers write to tell one pod or one revision from the next:
///
/// | left out | for instance |
/// |---|---|
/// | `*-hash` | pod-template-hash, controller-revision-hash: another one with each rollout |
/// | `*-uid` | controller-uid, batch.kubernetes.io/controller-uid: one for each job |
/// | `*-index` | batch.kubernetes.io/job-completion-index, apps.kubernetes.io/pod-index: one for each pod |
/// | `job-name`, `*/job-name` | a cron job makes a new one each time |
/// | `*/pod-name` | statefulset.kubernetes.io/pod-name: the pod's own name |
/// | `pod-template-generation` | another one with each rollout of a DaemonSet |
///
/// Who selects by one of them (``keeps(_:of:)`` tells) puts it back with a rule; who wants an allow-list begins with `!*`.
package struct IdentityLabelFilter: Hashable, Sendable {
    /// Whose labels a rule is about.
    package enum Scope: String, Hashable, CaseIterable, Sendable {
        case pod
        case namespace
    }

    /// What becomes of labels whose keys match a pattern.
    package struct Rule: Hashable, Sendable {
        /// nil: pods and namespaces.
        package let scope: Scope?
        /// A key in which each `*` stands for any characters, or none.
        package let pattern: String
        package let keeps: Bool

        package init(_ pattern: String, scope: Scope? = nil, keeps: Bool) {
            self.pattern = pattern
            self.scope = scope
            self.keeps = keeps
        }

        func matches(_ key: String, of scope: Scope) -> Bool {
            (self.scope ?? scope) == scope && Self.matches(pattern.utf8, key.utf8)
        }

        private static func matches(_ pattern: String.UTF8View, _ key: String.UTF8View) -> Bool {
            var patternIndex = pattern.startIndex
            var keyIndex = key.startIndex
            // Where to go on if what follows the last star does not fit: the star takes one more.
            var retry: (pattern: String.Index, key: String.Index)?
            while keyIndex != key.endIndex {
                if patternIndex != pattern.endIndex, pattern[patternIndex] == UInt8(ascii: "*") {
                    pattern.formIndex(after: &patternIndex)
                    retry = (patternIndex, keyIndex)
                } else if patternIndex != pattern.endIndex, pattern[patternIndex] == key[keyIndex] {
                    pattern.formIndex(after: &patternIndex)
                    key.formIndex(after: &keyIndex)
                } else if let (afterStar, taken) = retry {
                    let next = key.index(after: taken)
                    retry = (afterStar, next)
                    patternIndex = afterStar
                    keyIndex = next
                } else {
                    return false
                }
            }
            return pattern[patternIndex...].allSatisfy { $0 == UInt8(ascii: "*") }
        }
    }

    /// The last one that matches decides; a label that none matches is kept.
    package let rules: [Rule]

    package init(rules: [Rule]) {
        self.rules = rules
    }

    package static let standard = IdentityLabelFilter(
        rules: ["*-hash", "*-uid", "*-index", "job-name", "*/job-name", "*/pod-name", "pod-template-generation"].map {
            Rule($0, keeps: false)
        })

    /// This filter with more rules behind its own, which they overrule.
    package func adding(_ rules: [Rule]) -> IdentityLabelFilter {
        IdentityLabelFilter(rules: self.rules + rules)
    }

    package func keeps(_ key: String, of scope: Scope) -> Bool {
        // The namespace's name is in every identity anyway, and this is the label by which namespaces are selected.
        if scope == .namespace, key == Namespace.nameLabel { return true }
        return rules.last { $0.matches(key, of: scope) }?.keeps ?? true
    }

    /// What of `labels` takes part in the identity. Filtering twice is filtering once.
    package func filtered(_ labels: SecurityLabels) -> SecurityLabels {
        SecurityLabels(
            namespace: labels.namespace, namespaceLabels: filtered(labels.namespaceLabels, .namespace),
            podLabels: filtered(labels.podLabels, .pod))
    }

    private func filtered(_ labels: Labels, _ scope: Scope) -> Labels {
        let kept = labels.filter { keeps($0.key, of: scope) }
        return kept.count == labels.count ? labels : Labels(kept.lazy.map { (key: $0.key, value: $0.value) })
    }
}

extension IdentityLabelFilter.Rule: CustomStringConvertible {
    /// As it is written in options: a pattern keeps what it matches, with `!` in front it leaves it out. `pod:` or
    /// `namespace:` before the pattern restricts it to the labels of those. "app", "!*.example.com/build", "!pod:*".
    ///
    /// nil for a text that no label's key can match.
    package init?(_ text: String) {
        var rest = text[...]
        let keeps = rest.first != "!"
        if !keeps { rest.removeFirst() }
        var scope: IdentityLabelFilter.Scope?
        if let colon = rest.firstIndex(of: ":") {
            guard let named = IdentityLabelFilter.Scope(rawValue: String(rest[..<colon])) else { return nil }
            scope = named
            rest = rest[rest.index(after: colon)...]
        }
        // Stars stand for what makes the rest a key.
        let allowed = rest.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "/"), UInt8(ascii: "*"):
                true
            default: false
            }
        }
        guard !rest.isEmpty, allowed else { return nil }
        self.init(String(rest), scope: scope, keeps: keeps)
    }

    package var description: String {
        (keeps ? "" : "!") + (scope.map { "\($0.rawValue):" } ?? "") + pattern
    }
}

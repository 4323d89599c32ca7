// SPDX-License-Identifier: Apache-2.0

extension SecurityLabels {
    private static let namespaceKey = "namespace"
    private static let namespacePrefix = "namespace:"
    private static let podPrefix = "pod:"

    /// As one map, which is what a SkeinIdentity holds: `namespace`, `namespace:KEY` and `pod:KEY`. No two different
    /// labels have the same one, as no key of a label has a colon in it.
    package var flat: [String: String] {
        var flat = [Self.namespaceKey: namespace]
        for label in namespaceLabels { flat[Self.namespacePrefix + label.key] = label.value }
        for label in podLabels { flat[Self.podPrefix + label.key] = label.value }
        return flat
    }

    /// nil for a map that ``flat`` can't have made.
    package init?(flat: [String: String]) {
        guard let namespace = flat[Self.namespaceKey] else { return nil }
        var namespaceLabels: [(key: String, value: String)] = []
        var podLabels: [(key: String, value: String)] = []
        for (key, value) in flat where key != Self.namespaceKey {
            if key.hasPrefix(Self.namespacePrefix) {
                namespaceLabels.append((String(key.dropFirst(Self.namespacePrefix.count)), value))
            } else if key.hasPrefix(Self.podPrefix) {
                podLabels.append((String(key.dropFirst(Self.podPrefix.count)), value))
            } else {
                return nil
            }
        }
        self.init(
            namespace: namespace, namespaceLabels: Labels(namespaceLabels), podLabels: Labels(podLabels))
    }
}

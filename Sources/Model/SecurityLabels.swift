// SPDX-License-Identifier: Apache-2.0

/// All that label selectors can see of a pod: pods that are equal in it have one identity.
package struct SecurityLabels: Hashable, Sendable {
    package let namespace: String
    /// With the implicit `kubernetes.io/metadata.name`.
    package let namespaceLabels: Labels
    package let podLabels: Labels

    package init(namespace: String, namespaceLabels: Labels, podLabels: Labels) {
        self.namespace = namespace
        self.namespaceLabels = namespaceLabels
        self.podLabels = podLabels
    }

    /// Of a pod in a namespace that may not be known (yet): then only the implicit label speaks for it.
    package init(namespace name: String, _ namespace: Namespace?, podLabels: Labels) {
        self.init(
            namespace: name, namespaceLabels: namespace?.labels ?? Namespace(name: name).labels, podLabels: podLabels)
    }
}

extension SecurityLabels: CustomStringConvertible {
    /// `default: app=web` with the pod's labels only.
    package var description: String { podLabels.isEmpty ? "\(namespace):" : "\(namespace): \(podLabels)" }
}

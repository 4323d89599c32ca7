// SPDX-License-Identifier: Apache-2.0

package struct Namespace: Hashable, Sendable {
    /// The label that every namespace has: its value is the name.
    package static let nameLabel = "kubernetes.io/metadata.name"

    package let name: String
    /// Always with ``nameLabel``, as in the API server; a value given for it is overruled.
    package let labels: Labels

    package init(name: String, labels: Labels = [:]) {
        var labels = labels
        labels[Self.nameLabel] = name
        self.name = name
        self.labels = labels
    }
}

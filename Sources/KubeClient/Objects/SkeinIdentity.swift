// SPDX-License-Identifier: Apache-2.0

/// skein.dev/v1 SkeinIdentity: a number that stands for a set of labels in the whole cluster.
package struct SkeinIdentity: KubeObject, Hashable, Codable, Sendable {
    package struct Spec: Hashable, Codable, Sendable {
        /// Canonical security labels. Never changed: other labels are another identity.
        package var labels: [String: String]

        package init(labels: [String: String]) {
            self.labels = labels
        }
    }

    /// Its name is the number, in decimal.
    package var metadata: ObjectMeta
    package var spec: Spec

    package init(metadata: ObjectMeta, spec: Spec) {
        self.metadata = metadata
        self.spec = spec
    }

    package init(number: UInt32, labels: [String: String]) {
        self.init(metadata: ObjectMeta(name: "\(number)"), spec: Spec(labels: labels))
    }

    /// The number that its name spells, in its only spelling; nil for a name that is none.
    package var number: UInt32? {
        guard let number = UInt32(metadata.name), "\(number)" == metadata.name else { return nil }
        return number
    }

    package static let resource = Resource<SkeinIdentity>(
        ResourceDescriptor(
            group: "skein.dev", version: "v1", plural: "skeinidentities", kind: "SkeinIdentity", isNamespaced: false))
}

// SPDX-License-Identifier: Apache-2.0
package import Model

/// What is wrong with an object of the cluster.
package struct ClusterObjectError: Error, Hashable, Sendable {
    package let object: ObjectReference
    /// "spec.ingress[0].ports[1].port", where the error is about a field.
    package let field: String?
    package let message: String

    package init(object: ObjectReference, field: String? = nil, message: String) {
        self.object = object
        self.field = field
        self.message = message
    }
}

extension ClusterObjectError: CustomStringConvertible {
    /// `NetworkPolicy default/web: spec.ingress[0].ports[1].port: "70000" must be between 1 and 65535`
    package var description: String {
        "\(object): \(complaint)"
    }

    /// Without the object.
    var complaint: String { (field.map { "\($0): " } ?? "") + message }
}

extension ClusterObjectError: Comparable {
    package static func < (a: ClusterObjectError, b: ClusterObjectError) -> Bool {
        (a.object, a.field ?? "", a.message) < (b.object, b.field ?? "", b.message)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Which object, for messages and as a key.
package struct ObjectReference: Hashable, Sendable {
    package let kind: String
    /// Empty for objects that belong to no namespace.
    package let namespace: String
    package let name: String

    package init(kind: String, namespace: String, name: String) {
        self.kind = kind
        self.namespace = namespace
        self.name = name
    }
}

extension ObjectReference: Comparable {
    package static func < (a: ObjectReference, b: ObjectReference) -> Bool {
        (a.kind, a.namespace, a.name) < (b.kind, b.namespace, b.name)
    }
}

extension ObjectReference: CustomStringConvertible {
    /// `NetworkPolicy default/web`, or `Namespace default`.
    package var description: String { namespace.isEmpty ? "\(kind) \(name)" : "\(kind) \(namespace)/\(name)" }
}

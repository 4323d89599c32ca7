// SPDX-License-Identifier: Apache-2.0

/// What an object is called.
package struct ObjectKey: Hashable, Sendable {
    /// Empty for objects of the cluster.
    package let namespace: String
    package let name: String

    package init(namespace: String = "", name: String) {
        self.namespace = namespace
        self.name = name
    }
}

extension ObjectKey: CustomStringConvertible {
    package var description: String { namespace.isEmpty ? name : "\(namespace)/\(name)" }
}

extension ObjectKey: Comparable {
    package static func < (a: ObjectKey, b: ObjectKey) -> Bool { (a.namespace, a.name) < (b.namespace, b.name) }
}

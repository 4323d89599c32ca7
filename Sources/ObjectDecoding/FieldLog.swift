// SPDX-License-Identifier: Apache-2.0

/// What is wrong with a part of an object.
package struct FieldProblem: Error, Hashable, Sendable {
    /// The object, as errors name it: "NetworkPolicy default/web"; nil if that much isn't known.
    package let object: String?
    /// "spec.ingress[0].ports[1].port"; nil if it is about the object as a whole.
    package let path: String?
    package let text: String
    package let place: Place
}

extension FieldProblem: CustomStringConvertible {
    /// `spec.ingress[0].ports[1].port: "70000" must be between 1 and 65535`
    package var description: String { path.map { "\($0): \(text)" } ?? text }
}

/// Collects what is wrong with one document while it is decoded.
package final class FieldLog {
    /// The object that is being decoded, once its name is known.
    package var object: String?
    package private(set) var problems: [FieldProblem] = []
    /// Set: the paths of all fields that decoders look for, there or not, so that a schema can be compared with them.
    package var sought: Set<String>?

    package init(object: String? = nil) {
        self.object = object
    }

    package func report(_ text: String, field: String? = nil, at place: Place) {
        problems.append(
            FieldProblem(
                object: object, path: field.flatMap { $0.isEmpty ? nil : $0 }, text: text, place: place))
    }

    /// No effect if the same was reported before.
    func reportOnce(_ text: String, at place: Place) {
        if !problems.contains(where: { $0.text == text }) { report(text, at: place) }
    }
}

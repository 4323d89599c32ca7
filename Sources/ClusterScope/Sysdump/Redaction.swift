// SPDX-License-Identifier: Apache-2.0

/// Takes out of objects what may be secret or says nothing: values in containers' environments (names stay), the copy of
/// the object that kubectl keeps in an annotation, and who manages which field.
package enum Redaction {
    private static let lastApplied = "kubectl.kubernetes.io/last-applied-configuration"
    private static let removed = JSON.string("(removed)")

    package static func apply(_ object: JSON) -> JSON {
        withoutValues(object, isEnvironment: false, isMetadata: false)
    }

    private static func withoutValues(_ value: JSON, isEnvironment: Bool, isMetadata: Bool) -> JSON {
        switch value {
        case .array(let elements):
            return .array(
                elements.map { withoutValues($0, isEnvironment: isEnvironment, isMetadata: isMetadata) })
        case .object(let members):
            var result: [String: JSON] = [:]
            for (key, member) in members {
                if isMetadata, key == "managedFields" { continue }
                if isMetadata, key == "annotations", case .object(var annotations) = member {
                    annotations[lastApplied] = nil
                    result[key] = .object(annotations)
                } else if isEnvironment, key == "value" {
                    result[key] = removed
                } else {
                    result[key] = withoutValues(member, isEnvironment: key == "env", isMetadata: key == "metadata")
                }
            }
            return .object(result)
        default: return value
        }
    }
}

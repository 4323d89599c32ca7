// SPDX-License-Identifier: Apache-2.0
package import Model

/// Reads objects from their fields, whatever they were written in. Every error names its field; an object with one is
/// no object.
package enum ObjectDecoder {
    /// A kind that is read here, with its only version.
    package struct Kind: Hashable, Sendable {
        package let apiVersion: String
        package let name: String
        package let isNamespaced: Bool
    }

    private static let networking = "networking.k8s.io/v1"
    private static let skein = "skein.dev/v1"

    package static let kinds: [String: Kind] = Dictionary(
        uniqueKeysWithValues: [
            Kind(apiVersion: "v1", name: "Namespace", isNamespaced: false),
            Kind(apiVersion: "v1", name: "Pod", isNamespaced: true),
            Kind(apiVersion: networking, name: "NetworkPolicy", isNamespaced: true),
            Kind(apiVersion: skein, name: SkeinNetworkPolicy.namespacedKind, isNamespaced: true),
            Kind(apiVersion: skein, name: SkeinNetworkPolicy.clusterKind, isNamespaced: false),
            Kind(
                apiVersion: "policy.networking.k8s.io/v1alpha2", name: ClusterNetworkPolicy.kind, isNamespaced: false),
        ].map { ($0.name, $0) })

    /// The object at `field`, which is of `kind`; nil, with everything that is wrong reported, if it can't be used.
    ///
    /// - Parameter known: the entities, beside those that everybody knows, whose addresses the source can tell; policies
    ///   that speak of others are refused.
    package static func decode(
        _ kind: Kind, _ field: Field, knowing known: Set<SkeinNetworkPolicy.Entity> = []
    ) -> DecodedObject? {
        let log = field.log
        log.object = nameForErrors(kind.name, field.node)
        let problemsBefore = log.problems.count
        guard let map = field.mapping() else { return nil }
        let (object, validate) = decode(kind, map, known)
        // What was read in part only would be reported a second time, and wrongly.
        guard let object, log.problems.count == problemsBefore else { return nil }
        for error in validate() { field.descendant(error.path).report(error.text) }
        return log.problems.count == problemsBefore ? object : nil
    }

    /// One object by itself, as an API server sends it: its kind is known from where it was asked for.
    ///
    /// - Throws: `ObjectProblems` with all that is wrong; the object must not be used in part.
    package static func decode(
        _ kind: Kind, _ node: FieldNode, knowing known: Set<SkeinNetworkPolicy.Entity> = []
    ) throws(ObjectProblems) -> DecodedObject {
        let log = FieldLog()
        guard let object = decode(kind, Field(node: node, log: log), knowing: known) else {
            throw ObjectProblems(list: log.problems)
        }
        return object
    }

    private static func decode(
        _ kind: Kind, _ map: FieldMap, _ known: Set<SkeinNetworkPolicy.Entity>
    ) -> (DecodedObject?, () -> [FieldError]) {
        switch kind.name {
        case "Namespace":
            let namespace = decodeNamespace(map)
            return (namespace.map { .namespace($0) }, { namespace?.validate() ?? [] })
        case "Pod":
            let pod = decodePod(map)
            return (pod.map { .pod($0) }, { pod?.validate() ?? [] })
        case SkeinNetworkPolicy.namespacedKind, SkeinNetworkPolicy.clusterKind:
            let policy = decodeSkeinPolicy(map, isNamespaced: kind.isNamespaced)
            return (
                policy.map { .skeinNetworkPolicy($0) },
                { policy.map { $0.validate() + $0.unsupported(knowing: known) } ?? [] }
            )
        case ClusterNetworkPolicy.kind:
            let policy = decodeClusterNetworkPolicy(map)
            return (policy.map { .clusterNetworkPolicy($0) }, { policy?.validate() ?? [] })
        default:
            let policy = decodeNetworkPolicy(map)
            return (policy.map { .networkPolicy($0) }, { policy?.validate() ?? [] })
        }
    }

    /// The object as errors name it, before anything is known to be right: "NetworkPolicy default/web".
    package static func nameForErrors(_ kind: String, _ object: FieldNode) -> String {
        guard let metadata = object["metadata"], let name = metadata["name"]?.text else { return kind }
        let isNamespaced = kinds[kind]?.isNamespaced ?? true
        return ObjectReference(
            kind: kind, namespace: isNamespaced ? metadata["namespace"]?.text ?? defaultNamespace : "", name: name
        ).description
    }
}

/// Why an object can't be used; at least one.
package struct ObjectProblems: Error, Hashable, Sendable {
    package let list: [FieldProblem]
}

extension ObjectProblems: CustomStringConvertible {
    /// `spec.ingres: unknown field; did you mean "ingress"?`, one behind the other.
    package var description: String { list.map(\.description).joined(separator: "; ") }
}

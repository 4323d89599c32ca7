// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import KubeClient
import Model
import ObjectDecoding

extension ClusterKind {
    /// Where the API server has policies of this kind; nil for other kinds.
    var policyDescriptor: ResourceDescriptor? {
        let (group, version, plural): (String, String, String)
        switch self {
        case .networkPolicies: (group, version, plural) = ("networking.k8s.io", "v1", "networkpolicies")
        case .skeinPolicies: (group, version, plural) = ("skein.dev", "v1", "skeinnetworkpolicies")
        case .skeinClusterPolicies: (group, version, plural) = ("skein.dev", "v1", "skeinclusternetworkpolicies")
        case .clusterPolicies:
            (group, version, plural) = ("policy.networking.k8s.io", "v1alpha2", "clusternetworkpolicies")
        default: return nil
        }
        return ResourceDescriptor(
            group: group, version: version, plural: plural, kind: name,
            isNamespaced: self == .networkPolicies || self == .skeinPolicies)
    }

    init?(policyOfKind kind: String) {
        guard let found = Self.policies.first(where: { $0.name == kind }) else { return nil }
        self = found
    }

    /// Whether the status of its objects is written here.
    var hasStatus: Bool { self == .skeinPolicies || self == .skeinClusterPolicies }
}

extension ReceivedPolicy {
    /// Reads a policy of this kind, with the decoder that reads manifests: errors name the field.
    init(_ object: RawObject, _ kind: ClusterKind) {
        metadata = object.metadata
        reference = ClusterState.reference(kind, object.metadata.key)
        do {
            let node = try JSONDecoder().decode(FieldNode.self, from: Data(object.json))
            conditions = Self.conditions(node)
            content = Self.content(node, kind, reference)
        } catch {
            conditions = []
            content = .invalid([
                ClusterObjectError(object: reference, message: "can't be read: \(error)")
            ])
        }
    }

    private static func content(_ node: FieldNode, _ kind: ClusterKind, _ reference: ObjectReference) -> Content {
        guard let known = ObjectDecoder.kinds[kind.name] else { preconditionFailure("\(kind) is no kind of policy") }
        do throws(ObjectProblems) {
            return .valid(
                try ObjectDecoder.decode(known, node, knowing: SkeinNetworkPolicy.Entity.ofCluster),
                text: JSONText(savedPart(of: node)).bytes)
        } catch {
            return .invalid(
                error.list.map { ClusterObjectError(object: reference, field: $0.path, message: $0.text) })
        }
    }

    /// What the decoder needs of an object that it has read once.
    private static func savedPart(of node: FieldNode) -> FieldNode {
        func part(_ node: FieldNode, _ keys: [String]) -> FieldNode {
            FieldNode(.map(FieldEntries(keys.compactMap { key in node[key].map { .init(key: key, value: $0) } })))
        }
        var entries = [
            FieldEntries.Entry(key: "metadata", value: part(node["metadata"] ?? node, ["name", "namespace"]))
        ]
        for key in ["spec", "specs"] {
            if let value = node[key] { entries.append(.init(key: key, value: value)) }
        }
        return FieldNode(.map(FieldEntries(entries)))
    }

    /// Those that are written here; others' are none of our business.
    private static func conditions(_ node: FieldNode) -> [KubeCondition] {
        guard let field = node["status"]?["conditions"], case .list(let list) = field.value else { return [] }
        return list.compactMap { element in
            guard let type = element["type"]?.text, let status = element["status"]?.text else { return nil }
            let generation: Int64? =
                if case .integer(let value) = element["observedGeneration"]?.value { Int64(value) } else { nil }
            return KubeCondition(
                type: type, status: status, reason: element["reason"]?.text, message: element["message"]?.text,
                observedGeneration: generation, lastTransitionTime: element["lastTransitionTime"]?.text)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

extension SkeinNetworkPolicy {
    /// What is right in a policy, but says something of peers that nobody tells the agent. A rule about them would match
    /// nothing, and a denial not hold: better no such policy.
    ///
    /// - Parameter known: the entities whose addresses the source of objects tells; see ``Entity/ofCluster``.
    package func unsupported(knowing known: Set<Entity> = []) -> [FieldError] {
        var errors = FieldErrors()
        for (path, spec) in allSpecs {
            for (name, rules, direction) in [
                ("ingress", spec.ingress, "from"), ("ingressDeny", spec.ingressDeny, "from"),
                ("egress", spec.egress, "to"), ("egressDeny", spec.egressDeny, "to"),
            ] {
                for (index, rule) in (rules ?? []).enumerated() {
                    let path = "\(path).\(name)[\(index)].\(direction)"
                    for (index, text) in (rule.entities ?? []).enumerated() {
                        errors.addUnknown("\(path)Entities[\(index)]", Entity(rawValue: text), known)
                    }
                    for (index, selector) in (rule.endpoints ?? []).enumerated() {
                        guard case .entity(let entity)? = Self.resolve(selector) else { continue }
                        errors.addUnknown("\(path)Endpoints[\(index)]", entity, known)
                    }
                }
            }
        }
        return errors.list
    }
}

extension SkeinNetworkPolicy.Entity {
    /// Those that only a source that knows a cluster can tell.
    package static let ofCluster: Set<Self> = [.remoteNode, .kubeAPIServer]
}

extension FieldErrors {
    fileprivate mutating func addUnknown(
        _ path: String, _ entity: SkeinNetworkPolicy.Entity?, _ known: Set<SkeinNetworkPolicy.Entity>
    ) {
        switch entity {
        case .host, .world, .cluster, .all, nil: break
        case .remoteNode?, .kubeAPIServer?, .health?, .`init`?:
            guard let entity, !known.contains(entity) else { return }
            add(path, "\"\(entity.rawValue)\" is not supported yet: nobody is known to be it")
        }
    }
}

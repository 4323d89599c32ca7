// SPDX-License-Identifier: Apache-2.0
import Model

/// SkeinNetworkPolicy and SkeinClusterNetworkPolicy. Fields that Cilium's policies have and these don't yet refuse the
/// whole policy: it would mean something else without them.
extension ObjectDecoder {
    private static let notYet = "is not supported yet, so the whole policy is refused"
    private static let requires = "is not supported, so the whole policy is refused: write a deny rule instead"

    static func decodeSkeinPolicy(_ map: FieldMap, isNamespaced: Bool) -> SkeinNetworkPolicy? {
        var map = map
        let metadata = decodeMetadata(&map)
        let spec = map.given("spec").flatMap { decodeSkeinSpec($0) }
        let specs = map.given("specs")?.list(decodeSkeinSpec)
        map.refuseOthers(ignoring: objectFields)
        guard let metadata else { return nil }
        if !isNamespaced { refuseNamespace(metadata, SkeinNetworkPolicy.clusterKind, map) }
        return SkeinNetworkPolicy(
            namespace: isNamespaced ? metadata.namespace ?? defaultNamespace : nil, name: metadata.name, spec: spec,
            specs: specs)
    }

    private static func decodeSkeinSpec(_ field: Field) -> SkeinNetworkPolicy.Spec? {
        guard var map = field.mapping() else { return nil }
        map.refuse(["nodeSelector": notYet, "log": notYet])
        var spec = SkeinNetworkPolicy.Spec()
        let selector = map.required("endpointSelector", hint: "{} selects every pod")
        if let selector = selector.flatMap(decodeSelector) { spec.endpointSelector = selector }
        spec.ingress = map.given("ingress")?.list { decodeSkeinRule($0, isIngress: true, denies: false) }
        spec.ingressDeny = map.given("ingressDeny")?.list { decodeSkeinRule($0, isIngress: true, denies: true) }
        spec.egress = map.given("egress")?.list { decodeSkeinRule($0, isIngress: false, denies: false) }
        spec.egressDeny = map.given("egressDeny")?.list { decodeSkeinRule($0, isIngress: false, denies: true) }
        if let defaultDeny = map.given("enableDefaultDeny").flatMap(decodeDefaultDeny) {
            spec.enableDefaultDeny = defaultDeny
        }
        spec.description = map.given("description")?.string()
        spec.labels = map.given("labels")?.list(decodeRuleLabel)
        map.refuseOthers()
        return spec
    }

    private static func decodeDefaultDeny(_ field: Field) -> SkeinNetworkPolicy.DefaultDeny? {
        guard var map = field.mapping() else { return nil }
        let result = SkeinNetworkPolicy.DefaultDeny(
            ingress: map.given("ingress")?.boolean(), egress: map.given("egress")?.boolean())
        map.refuseOthers()
        return result
    }

    private static func decodeRuleLabel(_ field: Field) -> SkeinNetworkPolicy.RuleLabel? {
        guard var map = field.mapping() else { return nil }
        let key = map.required("key")?.string()
        let value = map.given("value")?.string()
        let source = map.given("source")?.string()
        map.refuseOthers()
        return key.map { SkeinNetworkPolicy.RuleLabel(key: $0, value: value, source: source) }
    }

    private static func decodeSkeinRule(_ field: Field, isIngress: Bool, denies: Bool) -> SkeinNetworkPolicy.Rule? {
        guard var map = field.mapping() else { return nil }
        if isIngress {
            map.refuse(["fromRequires": requires, "fromNodes": notYet, "fromGroups": notYet])
        } else {
            map.refuse(["toRequires": requires, "toNodes": notYet, "toGroups": notYet, "toServices": notYet])
            if !denies { map.refuse(["toFQDNs": notYet]) }
        }
        if !denies { map.refuse(["authentication": notYet]) }
        let prefix = isIngress ? "from" : "to"
        let rule = SkeinNetworkPolicy.Rule(
            endpoints: map.given("\(prefix)Endpoints")?.list(decodeSelector),
            cidrs: map.given("\(prefix)CIDR")?.strings(),
            cidrSets: map.given("\(prefix)CIDRSet")?.list(decodeCIDRSet),
            entities: map.given("\(prefix)Entities")?.strings(),
            toPorts: map.given("toPorts")?.list { decodePortRule($0, denies: denies) },
            icmps: map.given("icmps")?.list(decodeICMPRule))
        map.refuseOthers()
        return rule
    }

    private static func decodeCIDRSet(_ field: Field) -> SkeinNetworkPolicy.CIDRSet? {
        guard var map = field.mapping() else { return nil }
        map.refuse(["cidrGroupRef": notYet, "cidrGroupSelector": notYet])
        let cidr = map.required("cidr")?.string()
        let except = map.given("except")?.strings() ?? []
        map.refuseOthers()
        return cidr.map { SkeinNetworkPolicy.CIDRSet(cidr: $0, except: except) }
    }

    private static func decodePortRule(_ field: Field, denies: Bool) -> [SkeinNetworkPolicy.Port]?? {
        guard var map = field.mapping() else { return nil }
        if !denies {
            map.refuse([
                "rules": notYet, "terminatingTLS": notYet, "originatingTLS": notYet, "serverNames": notYet,
                "listener": notYet,
            ])
        }
        let ports = map.given("ports")?.list(decodeSkeinPort)
        map.refuseOthers()
        return .some(ports)
    }

    private static func decodeSkeinPort(_ field: Field) -> SkeinNetworkPolicy.Port? {
        guard var map = field.mapping() else { return nil }
        let port = map.required("port").flatMap(decodeNumberOrName)
        let endPort = map.given("endPort")?.integer()
        let name = map.given("protocol")?.string()
        map.refuseOthers()
        return port.map { SkeinNetworkPolicy.Port(port: $0, endPort: endPort, protocolName: name) }
    }

    private static func decodeICMPRule(_ field: Field) -> [SkeinNetworkPolicy.ICMPField]?? {
        guard var map = field.mapping() else { return nil }
        let fields = map.given("fields")?.list(decodeICMPField)
        map.refuseOthers()
        return .some(fields)
    }

    private static func decodeICMPField(_ field: Field) -> SkeinNetworkPolicy.ICMPField? {
        guard var map = field.mapping() else { return nil }
        let family = map.given("family")?.string()
        let type = map.required("type").flatMap(decodeNumberOrName)
        map.refuseOthers()
        return type.map { SkeinNetworkPolicy.ICMPField(family: family, type: $0) }
    }

    /// IntOrString, as text: here 80 and "80" are the same.
    private static func decodeNumberOrName(_ field: Field) -> String? {
        if case .string(let text) = field.node.value { return text }
        return field.integer().map { String($0) }
    }
}

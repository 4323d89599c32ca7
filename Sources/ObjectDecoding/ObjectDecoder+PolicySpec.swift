// SPDX-License-Identifier: Apache-2.0
import Model

/// The spec of a NetworkPolicy. Stricter than the API server in one thing: a field that is written down without a
/// value is an error, because here what is left out means "everything" more often than not.
extension ObjectDecoder {
    /// Without the name.
    static func decodePolicySpec(_ field: Field) -> NetworkPolicy? {
        guard var map = field.mapping() else { return nil }
        var policy = NetworkPolicy(namespace: "", name: "")
        let selector = map.required("podSelector", hint: "{} selects every pod of the namespace")
        if let selector = selector.flatMap(decodeSelector) { policy.podSelector = selector }
        policy.policyTypes = map.given("policyTypes")?.strings()?.map { .init(rawValue: $0) }
        policy.ingress = map.given("ingress")?.list(decodeIngressRule)
        policy.egress = map.given("egress")?.list(decodeEgressRule)
        map.refuseOthers()
        return policy
    }

    private static func decodeIngressRule(_ field: Field) -> NetworkPolicy.IngressRule? {
        guard var map = field.mapping() else { return nil }
        let rule = NetworkPolicy.IngressRule(
            from: map.given("from")?.list(decodePeer), ports: map.given("ports")?.list(decodePort))
        map.refuseOthers()
        return rule
    }

    private static func decodeEgressRule(_ field: Field) -> NetworkPolicy.EgressRule? {
        guard var map = field.mapping() else { return nil }
        let rule = NetworkPolicy.EgressRule(
            to: map.given("to")?.list(decodePeer), ports: map.given("ports")?.list(decodePort))
        map.refuseOthers()
        return rule
    }

    private static func decodePeer(_ field: Field) -> NetworkPolicy.Peer? {
        guard var map = field.mapping() else { return nil }
        let peer = NetworkPolicy.Peer(
            podSelector: map.given("podSelector").flatMap(decodeSelector),
            namespaceSelector: map.given("namespaceSelector").flatMap(decodeSelector),
            ipBlock: map.given("ipBlock").flatMap(decodeBlock))
        map.refuseOthers()
        return peer
    }

    private static func decodeBlock(_ field: Field) -> NetworkPolicy.IPBlock? {
        guard var map = field.mapping() else { return nil }
        let cidr = map.required("cidr")?.string()
        let except = map.given("except")?.strings() ?? []
        map.refuseOthers()
        return cidr.map { NetworkPolicy.IPBlock(cidr: $0, except: except) }
    }

    private static func decodePort(_ field: Field) -> NetworkPolicy.Port? {
        guard var map = field.mapping() else { return nil }
        let port = NetworkPolicy.Port(
            protocolName: map.given("protocol")?.string(), port: map.given("port").flatMap(decodePortReference),
            endPort: map.given("endPort")?.integer())
        map.refuseOthers()
        return port
    }

    /// IntOrString: "80" in quotes is a name, and no valid one.
    private static func decodePortReference(_ field: Field) -> NetworkPolicy.PortReference? {
        if case .string(let name) = field.node.value { return .name(name) }
        return field.integer().map { .number($0) }
    }

    static func decodeSelector(_ field: Field) -> LabelSelector? {
        guard var map = field.mapping() else { return nil }
        let labels = map.given("matchLabels")?.stringMap() ?? []
        let expressions = map.given("matchExpressions")?.list(decodeRequirement) ?? []
        map.refuseOthers()
        return LabelSelector(matchLabels: Labels(labels), matchExpressions: expressions)
    }

    private static func decodeRequirement(_ field: Field) -> LabelSelector.Requirement? {
        guard var map = field.mapping() else { return nil }
        let key = map.required("key")?.string()
        let name = map.required("operator")?.string()
        let values = map.given("values")?.strings() ?? []
        map.refuseOthers()
        guard let key, let name else { return nil }
        return LabelSelector.Requirement(key: key, operator: .init(rawValue: name), values: values)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Model

/// ClusterNetworkPolicy. An unknown field refuses the policy, but for one in a peer: what the API says of those is
/// safer than no policy.
extension ObjectDecoder {
    static func decodeClusterNetworkPolicy(_ map: FieldMap) -> ClusterNetworkPolicy? {
        var map = map
        let metadata = decodeMetadata(&map)
        let spec = map.required("spec")
        map.refuseOthers(ignoring: objectFields)
        guard let metadata else { return nil }
        refuseNamespace(metadata, ClusterNetworkPolicy.kind, map)
        guard var map = spec?.mapping() else { return nil }
        let tier = map.required("tier")?.string()
        let priority = map.required("priority")?.integer()
        let subject = map.required("subject").flatMap(decodeSubject)
        let ingress = map.given("ingress")?.list { decodeClusterRule($0, peers: "from") }
        let egress = map.given("egress")?.list { decodeClusterRule($0, peers: "to") }
        map.refuseOthers()
        guard let tier, let priority, let subject else { return nil }
        return ClusterNetworkPolicy(
            name: metadata.name, tier: .init(rawValue: tier), priority: priority, subject: subject,
            ingress: ingress ?? [], egress: egress ?? [])
    }

    private static func decodeSubject(_ field: Field) -> ClusterNetworkPolicy.Pods? {
        guard var map = field.mapping() else { return nil }
        let found = decodePodsOrNamespaces(&map)
        map.refuseOthers()
        if found.count != 1 { map.report("must have either namespaces or pods") }
        return found.first ?? nil
    }

    /// One element for each of the two fields that is there.
    private static func decodePodsOrNamespaces(_ map: inout FieldMap) -> [ClusterNetworkPolicy.Pods?] {
        var found: [ClusterNetworkPolicy.Pods?] = []
        if let field = map.given("namespaces") {
            found.append(decodeSelector(field).map { ClusterNetworkPolicy.Pods(namespaceSelector: $0) })
        }
        if let field = map.given("pods") { found.append(decodeNamespacedPod(field)) }
        return found
    }

    private static func decodeNamespacedPod(_ field: Field) -> ClusterNetworkPolicy.Pods? {
        guard var map = field.mapping() else { return nil }
        let namespaces = map.required("namespaceSelector", hint: "{} selects every namespace").flatMap(decodeSelector)
        let pods = map.required("podSelector", hint: "{} selects every pod").flatMap(decodeSelector)
        map.refuseOthers()
        guard let namespaces, let pods else { return nil }
        return ClusterNetworkPolicy.Pods(namespaceSelector: namespaces, podSelector: pods)
    }

    private static func decodeClusterRule(_ field: Field, peers name: String) -> ClusterNetworkPolicy.Rule? {
        guard var map = field.mapping() else { return nil }
        let ruleName = map.given("name")?.string()
        let action = map.required("action")?.string()
        let peers = map.required(name)?.list { decodeClusterPeer($0, isEgress: name == "to") }
        let protocols = map.given("protocols")?.list(decodeProtocol)
        map.refuseOthers()
        guard let action, let peers else { return nil }
        return ClusterNetworkPolicy.Rule(
            name: ruleName, action: .init(rawValue: action), peers: peers, protocols: protocols)
    }

    private static func decodeClusterPeer(_ field: Field, isEgress: Bool) -> ClusterNetworkPolicy.Peer? {
        guard var map = field.mapping() else { return nil }
        var found = decodePodsOrNamespaces(&map).map { $0.map { ClusterNetworkPolicy.Peer.pods($0) } }
        if isEgress, let networks = map.given("networks") { found.append(networks.strings().map { .networks($0) }) }
        let known: Set<String> = isEgress ? ["namespaces", "pods", "networks"] : ["namespaces", "pods"]
        let unknown = map.entries.map(\.key).filter { !known.contains($0) }.sorted()
        if !unknown.isEmpty {
            // The API allows one field in a peer, so with another one it is of no known version.
            if found.isEmpty { found.append(.unknown(unknown)) } else { map.refuseOthers() }
        }
        if found.count != 1 { map.report("must have exactly one field: \(known.sorted().joined(separator: ", "))") }
        return found.first ?? nil
    }

    private static func decodeProtocol(_ field: Field) -> ClusterNetworkPolicy.ProtocolMatch? {
        guard var map = field.mapping() else { return nil }
        var found: [ClusterNetworkPolicy.ProtocolMatch?] = []
        for name in ["tcp", "udp", "sctp"] {
            if let field = map.given(name) { found.append(decodePorts(field, name.uppercased())) }
        }
        if let name = map.given("destinationNamedPort") { found.append(name.string().map { .named($0) }) }
        map.refuseOthers()
        if found.count != 1 { map.report("must have exactly one field: tcp, udp, sctp, destinationNamedPort") }
        return found.first ?? nil
    }

    private static func decodePorts(_ field: Field, _ name: String) -> ClusterNetworkPolicy.ProtocolMatch? {
        guard var map = field.mapping() else { return nil }
        let destination = map.given("destinationPort")
        map.refuseOthers()
        guard let destination else { return .ports(protocolName: name, first: nil, last: nil) }
        guard var map = destination.mapping() else { return nil }
        let number = map.given("number")
        let range = map.given("range")
        map.refuseOthers()
        switch (number, range) {
        case (let number?, nil):
            return number.integer().map { .ports(protocolName: name, first: $0, last: nil) }
        case (nil, let range?):
            guard var map = range.mapping() else { return nil }
            let start = map.required("start")?.integer()
            let end = map.required("end")?.integer()
            map.refuseOthers()
            guard let start, let end else { return nil }
            return .ports(protocolName: name, first: start, last: end)
        default:
            destination.report("must have either a number or a range")
            return nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Model
import NetTypes

/// Decoders of single objects. They report what is wrong and go on, so what they return counts only if nothing was
/// reported meanwhile.
extension ObjectDecoder {
    static let defaultNamespace = "default"

    /// ObjectMeta of meta/v1 has no other fields: one that is not there is a misspelt one, and a Pod with "lables"
    /// would be a pod that no policy selects.
    private static let metadataFields: Set<String> = [
        "clusterName", "creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp",
        "finalizers", "generateName", "generation", "managedFields", "ownerReferences", "resourceVersion", "selfLink",
    ]
    static let objectFields: Set<String> = ["apiVersion", "kind", "metadata", "spec", "status"]

    struct Metadata {
        let name: String
        let namespace: String?
        let uid: String?
        let labels: Labels
    }

    /// Of the pod that stands in the API server for one that a kubelet has from elsewhere; its value is that one's UID,
    /// by which the container runtime knows it.
    private static let mirrorAnnotation = "kubernetes.io/config.mirror"

    static func decodeMetadata(_ map: inout FieldMap) -> Metadata? {
        guard var metadata = map.required("metadata")?.mapping() else { return nil }
        let name = metadata.required("name")?.string()
        let namespace = metadata.optional("namespace")?.string()
        let labels = metadata.optional("labels")?.stringMap() ?? []
        var uid = metadata.optional("uid")?.string()
        if var annotations = metadata.optional("annotations")?.mapping(),
            let mirrored = annotations.optional(mirrorAnnotation)?.string(), !mirrored.isEmpty
        {
            uid = mirrored
        }
        metadata.refuseOthers(ignoring: Self.metadataFields)
        return name.map { Metadata(name: $0, namespace: namespace, uid: uid, labels: Labels(labels)) }
    }

    static func decodeNamespace(_ map: FieldMap) -> Namespace? {
        var map = map
        let metadata = decodeMetadata(&map)
        map.refuseOthers(ignoring: Self.objectFields)
        guard let metadata else { return nil }
        refuseNamespace(metadata, "Namespace", map)
        return Namespace(name: metadata.name, labels: metadata.labels)
    }

    /// For kinds whose objects are in no namespace.
    static func refuseNamespace(_ metadata: Metadata, _ kind: String, _ map: FieldMap) {
        if metadata.namespace != nil { map.report("a \(kind) is in no namespace: metadata.namespace must go") }
    }

    static func decodePod(_ map: FieldMap) -> Pod? {
        var map = map
        let metadata = decodeMetadata(&map)
        var namedPorts: [NamedPort] = []
        var hostNetwork = false
        if var spec = map.optional("spec")?.mapping() {
            for container in spec.optional("containers")?.elements() ?? [] {
                namedPorts += decodeNamedPorts(container, onlyIfRestarted: false)
            }
            for container in spec.optional("initContainers")?.elements() ?? [] {
                namedPorts += decodeNamedPorts(container, onlyIfRestarted: true)
            }
            hostNetwork = spec.optional("hostNetwork")?.boolean() ?? false
        }
        let addresses = map.optional("status").map(decodeAddresses) ?? []
        map.refuseOthers(ignoring: Self.objectFields)
        guard let metadata else { return nil }
        return Pod(
            namespace: metadata.namespace ?? Self.defaultNamespace, name: metadata.name, uid: metadata.uid,
            labels: metadata.labels, namedPorts: namedPorts, addresses: addresses, hostNetwork: hostNetwork)
    }

    /// `onlyIfRestarted`: an init container's ports count only if it runs on beside the others (a sidecar).
    private static func decodeNamedPorts(_ container: Field, onlyIfRestarted: Bool) -> [NamedPort] {
        guard var map = container.mapping() else { return [] }
        let ports = (map.optional("ports")?.elements() ?? []).compactMap(decodeContainerPort)
        guard onlyIfRestarted else { return ports }
        return map.optional("restartPolicy")?.string() == "Always" ? ports : []
    }

    /// nil for a port without a name, too: a policy can't refer to it.
    private static func decodeContainerPort(_ field: Field) -> NamedPort? {
        guard var map = field.mapping() else { return nil }
        let portField = map.required("containerPort")
        let number = portField?.integer()
        if let number, let problem = Syntax.portNumberProblem(number) { portField?.report("\"\(number)\" \(problem)") }
        var ipProtocol = IPProtocol.tcp
        if let protocolField = map.optional("protocol"), let name = protocolField.string() {
            if let known = NetworkPolicy.Port(protocolName: name).ipProtocol {
                ipProtocol = known
            } else {
                protocolField.report("\"\(name)\" is none of TCP, UDP, SCTP")
            }
        }
        let nameField = map.optional("name")
        let name = nameField?.string()
        if let name, let problem = Syntax.portNameProblem(name) { nameField?.report("\"\(name)\" \(problem)") }
        map.refuseOthers(ignoring: ["hostIP", "hostPort"])
        guard let name, let number, let port = UInt16(exactly: number) else { return nil }
        return NamedPort(name: name, protocol: ipProtocol, port: port)
    }

    /// None for a pod that has come to its end: its addresses may be another's by now.
    private static func decodeAddresses(_ status: Field) -> [IPAddress] {
        guard var map = status.mapping() else { return [] }
        var fields: [Field] = []
        for element in map.optional("podIPs")?.elements() ?? [] {
            guard var entry = element.mapping() else { continue }
            if let ip = entry.required("ip") { fields.append(ip) }
        }
        if let ip = map.optional("podIP") { fields.append(ip) }
        var addresses: [IPAddress] = []
        for field in fields {
            guard let text = field.string() else { continue }
            guard let address = IPAddress(text) else {
                field.report("\"\(text)\" is not an address")
                continue
            }
            if !addresses.contains(address) { addresses.append(address) }
        }
        let phase = map.optional("phase")?.string()
        return phase == "Succeeded" || phase == "Failed" ? [] : addresses
    }

    static func decodeNetworkPolicy(_ map: FieldMap) -> NetworkPolicy? {
        var map = map
        let metadata = decodeMetadata(&map)
        let spec = map.required("spec")
        map.refuseOthers(ignoring: Self.objectFields)
        guard let metadata, let spec, var policy = decodePolicySpec(spec) else { return nil }
        policy.namespace = metadata.namespace ?? Self.defaultNamespace
        policy.name = metadata.name
        return policy
    }
}

// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// v1 Pod.
package struct KubePod: KubeObject, Hashable, Sendable {
    package struct NamedPort: Hashable, Sendable {
        package let name: String
        package let `protocol`: IPProtocol
        package let port: UInt16

        package init(name: String, protocol: IPProtocol, port: UInt16) {
            self.name = name
            self.protocol = `protocol`
            self.port = port
        }
    }

    package let metadata: ObjectMeta
    /// By which the container runtime knows it: its UID, but for the mirror of a static pod, where it is the static pod's.
    package let runtimeUID: String
    /// nil until it is scheduled.
    package let nodeName: String?
    package let hostNetwork: Bool
    /// Of its containers and of those init containers that live as long as the pod.
    package let namedPorts: [NamedPort]
    /// Empty while none is known.
    package let podIPs: [IPAddress]
    /// Pending, Running, Succeeded, Failed or Unknown.
    package let phase: String

    package init(
        metadata: ObjectMeta, runtimeUID: String? = nil, nodeName: String? = nil, hostNetwork: Bool = false,
        namedPorts: [NamedPort] = [], podIPs: [IPAddress] = [], phase: String = "Pending"
    ) {
        self.metadata = metadata
        self.runtimeUID = runtimeUID ?? metadata.uid
        self.nodeName = nodeName
        self.hostNetwork = hostNetwork
        self.namedPorts = namedPorts
        self.podIPs = podIPs
        self.phase = phase
    }

    /// Its containers have ended for good: its addresses may belong to another pod.
    package var hasEnded: Bool { phase == "Succeeded" || phase == "Failed" }

    package static let resource = Resource<KubePod>(
        ResourceDescriptor(group: "", version: "v1", plural: "pods", kind: "Pod", isNamespaced: true))

    /// The field selector that restricts a list or a watch to the pods of a node.
    package static func fieldSelector(node: String) -> String { "spec.nodeName=\(node)" }
}

extension KubePod: Decodable {
    private struct Wire: Decodable {
        struct Spec: Decodable {
            let nodeName: String?
            let hostNetwork: Bool?
            let containers: [Container]?
            let initContainers: [Container]?
        }

        struct Container: Decodable {
            let ports: [Port]?
            let restartPolicy: String?
        }

        struct Port: Decodable {
            let name: String?
            let containerPort: UInt16
            let `protocol`: String?
        }

        struct Status: Decodable {
            let phase: String?
            let podIP: String?
            let podIPs: [Address]?
        }

        struct Address: Decodable {
            let ip: String?
        }

        /// Beside what every object has.
        struct Annotated: Decodable {
            struct Metadata: Decodable {
                let annotations: [String: String]?
            }

            let metadata: Metadata
        }

        let metadata: ObjectMeta
        let spec: Spec?
        let status: Status?
    }

    /// Of the pod that stands in the API server for one that a kubelet has from elsewhere.
    private static let mirrorAnnotation = "kubernetes.io/config.mirror"

    package init(from decoder: any Decoder) throws {
        let wire = try Wire(from: decoder)
        metadata = wire.metadata
        let mirrored = try Wire.Annotated(from: decoder).metadata.annotations?[Self.mirrorAnnotation]
        runtimeUID = mirrored.flatMap { $0.isEmpty ? nil : $0 } ?? wire.metadata.uid
        nodeName = wire.spec?.nodeName.flatMap { $0.isEmpty ? nil : $0 }
        hostNetwork = wire.spec?.hostNetwork ?? false
        let sidecars = (wire.spec?.initContainers ?? []).filter { $0.restartPolicy == "Always" }
        // An unknown protocol is none that a policy can name.
        namedPorts = ((wire.spec?.containers ?? []) + sidecars).flatMap { $0.ports ?? [] }.compactMap { port in
            guard let name = port.name, !name.isEmpty, let proto = IPProtocol(name: port.protocol ?? "TCP") else {
                return nil
            }
            return NamedPort(name: name, protocol: proto, port: port.containerPort)
        }
        let listed = (wire.status?.podIPs ?? []).compactMap(\.ip).filter { !$0.isEmpty }
        let texts = listed.isEmpty ? [wire.status?.podIP ?? ""].filter { !$0.isEmpty } : listed
        podIPs = try texts.map { text in
            guard let address = IPAddress(text) else {
                throw JSONFailure("status.podIPs: \"\(text)\" is not an IP address")
            }
            return address
        }
        phase = wire.status?.phase ?? "Unknown"
    }
}

// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// A container port with a name, which policies may use instead of the number.
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

extension NamedPort: Comparable {
    package static func < (a: NamedPort, b: NamedPort) -> Bool {
        (a.name, a.protocol, a.port) < (b.name, b.protocol, b.port)
    }
}

/// What policy needs to know of a pod.
package struct Pod: Hashable, Sendable {
    package var namespace: String
    package var name: String
    /// What tells it from earlier ones of its name, as the container runtime is told; nil: not known. For the mirror of
    /// a static pod it is the static pod's.
    package var uid: String?
    package var labels: Labels
    /// Of all containers that live as long as the pod.
    package var namedPorts: [NamedPort]
    /// `status.podIPs`; empty while none is known.
    package var addresses: [IPAddress]
    /// In the node's network: no peer of its own, and no policy selects it.
    package var hostNetwork: Bool

    package init(
        namespace: String, name: String, uid: String? = nil, labels: Labels = [:], namedPorts: [NamedPort] = [],
        addresses: [IPAddress] = [], hostNetwork: Bool = false
    ) {
        self.namespace = namespace
        self.name = name
        self.uid = uid
        self.labels = labels
        self.namedPorts = namedPorts
        self.addresses = addresses
        self.hostNetwork = hostNetwork
    }

    package var reference: ObjectReference { ObjectReference(kind: "Pod", namespace: namespace, name: name) }
}

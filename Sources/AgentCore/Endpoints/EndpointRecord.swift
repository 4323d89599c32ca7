// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
package import Model
package import NetTypes

/// What names an endpoint to the container runtime.
package typealias EndpointKey = AttachmentReference

/// All that the agent remembers of an endpoint, in memory and in its file.
package struct EndpointRecord: Hashable, Sendable {
    package let number: UInt16
    package let key: EndpointKey
    package var network: String
    package var netns: String
    package var podNamespace: String
    package var podName: String
    package var podUID: String?
    /// Labels that the runtime sent; those of a manifest's Pod win over them.
    package var labels: [String: String]?
    /// What the pod is known by in a cluster; nil without one, and while pending.
    package var identity: EndpointIdentity?
    package var ipv4: IPAddress?
    package var ipv6: IPAddress?
    package var hostInterface: String
    /// Of the host side of the veth; nil while pending.
    package var ifindex: UInt32?
    package var state: EndpointState
    /// The last call of the plugin that reserved it; nil: one that didn't say.
    package var attempt: String?
    /// When the present state began, seconds since 1970.
    package var since: Int64
    /// How long its last ADD took; nil while pending, and where nobody said when it began.
    package var addMilliseconds: UInt32?

    package init(
        number: UInt16, key: EndpointKey, network: String, netns: String, podNamespace: String, podName: String,
        podUID: String?, labels: [String: String]?, ipv4: IPAddress?, ipv6: IPAddress?, hostInterface: String,
        ifindex: UInt32?, state: EndpointState, attempt: String? = nil, since: Int64
    ) {
        self.number = number
        self.key = key
        self.network = network
        self.netns = netns
        self.podNamespace = podNamespace
        self.podName = podName
        self.podUID = podUID
        self.labels = labels
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.hostInterface = hostInterface
        self.ifindex = ifindex
        self.state = state
        self.attempt = attempt
        self.since = since
    }

    /// Whether that call of the plugin may go on with it; nil: one that doesn't say which it is.
    package func isOf(_ attempt: String?) -> Bool {
        guard let attempt, let own = self.attempt else { return true }
        return own == attempt
    }

    package var addresses: [IPAddress] { [ipv4, ipv6].compactMap(\.self) }

    /// "namespace/name" of its pod, as manifests' pods are known by.
    package var podKey: String { "\(podNamespace)/\(podName)" }

    /// "namespace/name" of its pod; the key where the runtime named no pod.
    package var podText: String {
        podName.isEmpty ? key.description : "\(podNamespace)/\(podName)"
    }

    /// The pod's device gets this MAC address: the gateway's with the third byte 1, so unique on the node.
    package var podMAC: MACAddress { Self.podMAC(endpoint: number) }
    /// MAC address of the host side of the veth, which the pod's gateway neighbour entries name.
    package var gatewayMAC: MACAddress { .gateway(endpoint: number) }

    package static func podMAC(endpoint: UInt16) -> MACAddress {
        MACAddress(value: MACAddress.gateway(endpoint: endpoint).value | 1 << 24)
    }
}

/// Labels and the number that a cluster has given them.
package struct EndpointIdentity: Hashable, Sendable {
    package let number: IdentityNumber
    package let labels: SecurityLabels

    package init(number: IdentityNumber, labels: SecurityLabels) {
        self.number = number
        self.labels = labels
    }
}

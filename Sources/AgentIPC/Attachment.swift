// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Where an endpoint is in its life.
package enum EndpointState: String, Hashable, Codable, Sendable, CaseIterable {
    /// Number and addresses are reserved; the plugin is wiring the pod.
    case pending
    /// Programs are attached and the pod's policy is in the kernel.
    case ready
    /// Its veth has vanished; the reservation is left until the runtime deletes it.
    case gone
}

/// What names an endpoint to a container runtime.
package struct AttachmentReference: Hashable, Codable, Sendable, CustomStringConvertible {
    /// CNI_CONTAINERID.
    package var containerID: String
    /// CNI_IFNAME: the device's name in the pod.
    package var interface: String

    package init(containerID: String, interface: String) {
        self.containerID = containerID
        self.interface = interface
    }

    package var description: String { "\(containerID)/\(interface)" }
}

/// `POST /v1/endpoints`: reserves a number and addresses. The same containerID and interface get the same reply again.
package struct AllocateRequest: Hashable, Codable, Sendable {
    /// CNI_CONTAINERID.
    package var containerID: String
    /// CNI_IFNAME: the device's name in the pod.
    package var interface: String
    /// Path of the pod's network namespace, as the runtime gave it.
    package var netns: String
    /// `name` of the network configuration; garbage is collected by network.
    package var network: String
    /// Kubernetes namespace; empty when the runtime named no pod.
    package var podNamespace: String
    /// Empty when the runtime named no pod.
    package var podName: String
    package var podUID: String?
    /// Pod labels that came with the call. nil: the agent has to know them from elsewhere.
    package var labels: [String: String]?
    /// Names this call of the plugin: what it has reserved is its own until a later one asks for the same endpoint. Later
    /// calls of one boot come after earlier ones in the order of texts.
    package var attempt: String?

    package init(
        containerID: String, interface: String, netns: String, network: String, podNamespace: String, podName: String,
        podUID: String? = nil, labels: [String: String]? = nil, attempt: String? = nil
    ) {
        self.containerID = containerID
        self.interface = interface
        self.netns = netns
        self.network = network
        self.podNamespace = podNamespace
        self.podName = podName
        self.podUID = podUID
        self.labels = labels
        self.attempt = attempt
    }
}

/// What the plugin needs for wiring a pod.
package struct AllocateReply: Hashable, Codable, Sendable {
    /// Endpoint number, 1 and up.
    package var endpoint: UInt16
    /// Name of the host side of the veth: ``AttachmentReference/hostInterfaceName``.
    package var hostInterface: String
    /// For the pod's device.
    package var podMAC: MACAddress
    /// For the host side; the pod's neighbour entries of both gateways name it.
    package var gatewayMAC: MACAddress
    /// The pod's address, to be set as a /32. nil: the node has no IPv4 range.
    package var ipv4: IPAddress?
    /// The pod's address, to be set as a /128. nil: the node has no IPv6 range.
    package var ipv6: IPAddress?
    /// Link-local, on-link through the pod's device; the same for every pod.
    package var gateway4: IPAddress
    /// As `gateway4`.
    package var gateway6: IPAddress
    /// For both ends of the veth, bytes without the Ethernet header.
    package var mtu: UInt32
    /// `pending` for a reservation; `ready` when this endpoint is wired already.
    package var state: EndpointState

    package init(
        endpoint: UInt16, hostInterface: String, podMAC: MACAddress, gatewayMAC: MACAddress, ipv4: IPAddress? = nil,
        ipv6: IPAddress? = nil, gateway4: IPAddress, gateway6: IPAddress, mtu: UInt32, state: EndpointState
    ) {
        self.endpoint = endpoint
        self.hostInterface = hostInterface
        self.podMAC = podMAC
        self.gatewayMAC = gatewayMAC
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.gateway4 = gateway4
        self.gateway6 = gateway6
        self.mtu = mtu
        self.state = state
    }
}

/// `POST /v1/endpoints/{containerID}/{interface}/attach`. The reply is 200 only when the programs are attached and the
/// pod's policy is in the kernel.
package struct AttachRequest: Hashable, Codable, Sendable {
    /// Of the host side of the veth, in the agent's network namespace.
    package var hostIfindex: UInt32
    /// Of the reservation. Refused when the endpoint is another attempt's by now.
    package var attempt: String?

    package init(hostIfindex: UInt32, attempt: String? = nil) {
        self.hostIfindex = hostIfindex
        self.attempt = attempt
    }
}

/// `POST /v1/endpoints/{containerID}/{interface}/release`: takes back what an attempt has reserved or attached, its device
/// included. Nothing happens to an endpoint that is another attempt's by now, or unknown.
package struct ReleaseRequest: Hashable, Codable, Sendable {
    package var attempt: String

    package init(attempt: String) {
        self.attempt = attempt
    }
}

/// `DELETE /v1/endpoints/{containerID}/{interface}`, whose body may be empty: removes an endpoint. What an earlier attempt
/// to add it asks for is refused from then on, as a call that was killed may be heard after this one.
package struct DeleteRequest: Hashable, Codable, Sendable {
    /// Names this call of the plugin, in one order with the attempts to add.
    package var attempt: String?

    package init(attempt: String? = nil) {
        self.attempt = attempt
    }
}

/// `POST /v1/gc`: removes every endpoint of a network that is not in `keep`.
package struct GCRequest: Hashable, Codable, Sendable {
    /// `name` of the network configuration.
    package var network: String
    package var keep: [AttachmentReference]

    package init(network: String, keep: [AttachmentReference]) {
        self.network = network
        self.keep = keep
    }
}

/// The reply to ``GCRequest``.
package struct GCReply: Hashable, Codable, Sendable {
    /// Endpoints that are gone now, their host interfaces with them.
    package var removed: [AttachmentReference]

    package init(removed: [AttachmentReference]) {
        self.removed = removed
    }
}

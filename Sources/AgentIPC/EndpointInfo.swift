// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// One endpoint: `GET /v1/endpoints` (all, by number) and `GET /v1/endpoints/{containerID}/{interface}`.
package struct EndpointInfo: Hashable, Codable, Sendable {
    /// 1 and up; also the last two bytes of the gateway's MAC address.
    package var number: UInt16
    package var containerID: String
    /// The device's name in the pod.
    package var interface: String
    /// `name` of the CNI network configuration.
    package var network: String
    /// Path of the pod's network namespace, as the runtime gave it.
    package var netns: String
    /// Empty when the runtime named no pod.
    package var podNamespace: String
    /// Empty when the runtime named no pod.
    package var podName: String
    package var podUID: String?
    /// The pod's labels in force, from the manifests or else from the runtime.
    package var labels: [String: String]
    package var ipv4: IPAddress?
    package var ipv6: IPAddress?
    package var podMAC: MACAddress
    package var gatewayMAC: MACAddress
    /// Bytes without the Ethernet header.
    package var mtu: UInt32
    /// Name of the host side of the veth.
    package var hostInterface: String
    /// nil until it is attached.
    package var hostIfindex: UInt32?
    package var state: EndpointState
    /// When the present state began, seconds since 1970.
    package var since: Int64
    /// How long ADD took, from the plugin's start until programs and policy were in the kernel; nil: it isn't known.
    package var addMilliseconds: UInt32?
    /// 0 until it is ready.
    package var identity: UInt32
    /// Number of the compiled policy, shared by endpoints with equal rules; 0 until it is ready.
    package var policy: UInt32
    /// False: no policy selects it in this direction, everything may enter.
    package var enforceIngress: Bool
    /// False: everything may leave.
    package var enforceEgress: Bool
    /// Objects that select it, as "NetworkPolicy namespace/name".
    package var policies: [String]

    package init(
        number: UInt16, containerID: String, interface: String, network: String, netns: String, podNamespace: String,
        podName: String, podUID: String? = nil, labels: [String: String], ipv4: IPAddress? = nil,
        ipv6: IPAddress? = nil, podMAC: MACAddress, gatewayMAC: MACAddress, mtu: UInt32, hostInterface: String,
        hostIfindex: UInt32? = nil, state: EndpointState, since: Int64, addMilliseconds: UInt32? = nil,
        identity: UInt32, policy: UInt32, enforceIngress: Bool, enforceEgress: Bool, policies: [String] = []
    ) {
        self.number = number
        self.containerID = containerID
        self.interface = interface
        self.network = network
        self.netns = netns
        self.podNamespace = podNamespace
        self.podName = podName
        self.podUID = podUID
        self.labels = labels
        self.ipv4 = ipv4
        self.ipv6 = ipv6
        self.podMAC = podMAC
        self.gatewayMAC = gatewayMAC
        self.mtu = mtu
        self.hostInterface = hostInterface
        self.hostIfindex = hostIfindex
        self.state = state
        self.since = since
        self.addMilliseconds = addMilliseconds
        self.identity = identity
        self.policy = policy
        self.enforceIngress = enforceIngress
        self.enforceEgress = enforceEgress
        self.policies = policies
    }

    /// The addresses that it has, IPv4 first.
    package var addresses: [IPAddress] { [ipv4, ipv6].compactMap(\.self) }

    /// "namespace/name", or "containerID/interface" when the runtime named no pod.
    package var podText: String {
        podName.isEmpty ? "\(containerID)/\(interface)" : "\(podNamespace)/\(podName)"
    }
}

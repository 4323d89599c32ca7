// SPDX-License-Identifier: Apache-2.0
import AgentIPC
package import NetTypes

/// What a pod's network is made of.
package struct WiringPlan: Hashable, Sendable {
    /// One address family of a pod.
    package struct Leg: Hashable, Sendable {
        /// The pod's, set with the full prefix length.
        package let address: IPAddress
        /// Link-local; a permanent neighbour entry says that it has the host side's MAC address.
        package let gateway: IPAddress

        /// 0.0.0.0/0 or ::/0.
        var defaultRoute: Prefix {
            Prefix(address.isIPv4 ? .unspecifiedIPv4 : .unspecifiedIPv6, length: 0) ?? Prefix(host: address)
        }
    }

    /// Path of the pod's network namespace.
    package let netns: String
    /// Name of the pod's device.
    package let interface: String
    /// Name of the host side of the veth.
    package let hostInterface: String
    package let podMAC: MACAddress
    package let gatewayMAC: MACAddress
    /// Bytes without the Ethernet header.
    package let mtu: UInt32
    /// IPv4 before IPv6; one at least.
    package let legs: [Leg]

    package var hasIPv6: Bool { legs.contains { !$0.address.isIPv4 } }

    /// - Throws: code 6 when the reply holds no address or one of the wrong family.
    init(_ reply: AllocateReply, netns: String, interface: String) throws(CNIError) {
        self.netns = netns
        self.interface = interface
        hostInterface = reply.hostInterface
        podMAC = reply.podMAC
        gatewayMAC = reply.gatewayMAC
        mtu = reply.mtu
        legs = [
            reply.ipv4.map { Leg(address: $0, gateway: reply.gateway4) },
            reply.ipv6.map { Leg(address: $0, gateway: reply.gateway6) },
        ].compactMap(\.self)
        let matching = legs.allSatisfy { $0.address.isIPv4 == $0.gateway.isIPv4 }
        guard !legs.isEmpty, matching, reply.ipv4?.isIPv4 ?? true, reply.ipv6.map({ !$0.isIPv4 }) ?? true else {
            throw CNIError(.decodingFailure, "the agent handed out no usable address")
        }
    }

    /// The plan that a result of ADD speaks of, for CHECK.
    init(
        netns: String, interface: String, hostInterface: String, podMAC: MACAddress, gatewayMAC: MACAddress,
        mtu: UInt32, legs: [Leg]
    ) {
        self.netns = netns
        self.interface = interface
        self.hostInterface = hostInterface
        self.podMAC = podMAC
        self.gatewayMAC = gatewayMAC
        self.mtu = mtu
        self.legs = legs
    }
}

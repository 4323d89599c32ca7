// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// v1 Node.
package struct KubeNode: KubeObject, Hashable, Sendable {
    package struct Address: Hashable, Decodable, Sendable {
        /// InternalIP, ExternalIP, Hostname, InternalDNS, ExternalDNS.
        package let type: String
        /// An IP address or a name.
        package let address: String

        package init(type: String, address: String) {
            self.type = type
            self.address = address
        }
    }

    package let metadata: ObjectMeta
    package let addresses: [Address]
    /// `spec.podCIDRs`, one of each family at most; `spec.podCIDR` where there is no list.
    package let podCIDRs: [Prefix]
    package let conditions: [KubeCondition]

    package init(
        metadata: ObjectMeta, addresses: [Address] = [], podCIDRs: [Prefix] = [], conditions: [KubeCondition] = []
    ) {
        self.metadata = metadata
        self.addresses = addresses
        self.podCIDRs = podCIDRs
        self.conditions = conditions
    }

    /// Those of type InternalIP, in the node's order.
    package var internalIPs: [IPAddress] {
        addresses.compactMap { $0.type == "InternalIP" ? IPAddress($0.address) : nil }
    }

    package static let resource = Resource<KubeNode>(
        ResourceDescriptor(group: "", version: "v1", plural: "nodes", kind: "Node", isNamespaced: false))
}

extension KubeNode: Decodable {
    private struct Wire: Decodable {
        struct Spec: Decodable {
            let podCIDR: Prefix?
            let podCIDRs: [Prefix]?
        }

        struct Status: Decodable {
            let addresses: [Address]?
            let conditions: [KubeCondition]?
        }

        let metadata: ObjectMeta
        let spec: Spec?
        let status: Status?
    }

    package init(from decoder: any Decoder) throws {
        let wire = try Wire(from: decoder)
        metadata = wire.metadata
        addresses = wire.status?.addresses ?? []
        podCIDRs = wire.spec?.podCIDRs ?? wire.spec?.podCIDR.map { [$0] } ?? []
        conditions = wire.status?.conditions ?? []
    }
}

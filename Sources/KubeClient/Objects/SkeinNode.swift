// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// skein.dev/v1 SkeinNode: what the other nodes and the operator need to know of a node.
package struct SkeinNode: KubeObject, Hashable, Codable, Sendable {
    package struct Spec: Hashable, Codable, Sendable {
        /// Internal addresses, under which the other nodes reach it.
        package var addresses: [IPAddress]
        /// What its pods' addresses are taken from.
        package var podCIDRs: [Prefix]

        package init(addresses: [IPAddress] = [], podCIDRs: [Prefix] = []) {
            self.addresses = addresses
            self.podCIDRs = podCIDRs
        }

        private enum CodingKeys: String, CodingKey { case addresses, podCIDRs }

        package init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            addresses = try container.decodeIfPresent([IPAddress].self, forKey: .addresses) ?? []
            podCIDRs = try container.decodeIfPresent([Prefix].self, forKey: .podCIDRs) ?? []
        }
    }

    package struct Status: Hashable, Codable, Sendable {
        package struct Addresses: Hashable, Codable, Sendable {
            package var used: UInt64
            package var available: UInt64

            package init(used: UInt64, available: UInt64) {
                self.used = used
                self.available = available
            }
        }

        package var health: String?
        package var ipam: Addresses?
        package var conditions: [KubeCondition]?

        package init(health: String? = nil, ipam: Addresses? = nil, conditions: [KubeCondition]? = nil) {
            self.health = health
            self.ipam = ipam
            self.conditions = conditions
        }
    }

    /// Named as the node.
    package var metadata: ObjectMeta
    package var spec: Spec
    package var status: Status?

    package init(metadata: ObjectMeta, spec: Spec, status: Status? = nil) {
        self.metadata = metadata
        self.spec = spec
        self.status = status
    }

    /// What makes an object go when this node goes.
    package var ownerReference: OwnerReference {
        OwnerReference(
            apiVersion: Self.resource.descriptor.apiVersion, kind: Self.resource.descriptor.kind, name: metadata.name,
            uid: metadata.uid)
    }

    package static let resource = Resource<SkeinNode>(
        ResourceDescriptor(
            group: "skein.dev", version: "v1", plural: "skeinnodes", kind: "SkeinNode", isNamespaced: false))
}

// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// skein.dev/v1 SkeinEndpointSlice: some of a node's endpoints, so that the other nodes know them.
package struct SkeinEndpointSlice: KubeObject, Hashable, Codable, Sendable {
    /// More are refused by the schema.
    package static let maximumEndpoints = 64

    package struct Endpoint: Hashable, Sendable {
        package var addresses: [IPAddress]
        package var identity: UInt32
        package var namedPorts: [NamedPort]
        package var namespace: String
        package var podName: String

        package init(
            addresses: [IPAddress], identity: UInt32, namedPorts: [NamedPort] = [], namespace: String, podName: String
        ) {
            self.addresses = addresses
            self.identity = identity
            self.namedPorts = namedPorts
            self.namespace = namespace
            self.podName = podName
        }
    }

    package struct NamedPort: Hashable, Codable, Sendable {
        package var name: String
        /// TCP, UDP or SCTP.
        package var `protocol`: String
        package var port: UInt16

        package init(name: String, protocol: String, port: UInt16) {
            self.name = name
            self.protocol = `protocol`
            self.port = port
        }
    }

    /// Named `<node>-<n>`.
    package var metadata: ObjectMeta
    package var nodeName: String
    package var endpoints: [Endpoint]

    package init(metadata: ObjectMeta, nodeName: String, endpoints: [Endpoint]) {
        self.metadata = metadata
        self.nodeName = nodeName
        self.endpoints = endpoints
    }

    private enum CodingKeys: String, CodingKey { case metadata, nodeName, endpoints }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try container.decode(ObjectMeta.self, forKey: .metadata)
        nodeName = try container.decode(String.self, forKey: .nodeName)
        endpoints = try container.decodeIfPresent([Endpoint].self, forKey: .endpoints) ?? []
    }

    package static let resource = Resource<SkeinEndpointSlice>(
        ResourceDescriptor(
            group: "skein.dev", version: "v1", plural: "skeinendpointslices", kind: "SkeinEndpointSlice",
            isNamespaced: false))
}

extension SkeinEndpointSlice.Endpoint: Codable {
    private enum CodingKeys: String, CodingKey { case addresses, identity, namedPorts, namespace, podName }

    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        addresses = try container.decode([IPAddress].self, forKey: .addresses)
        identity = try container.decode(UInt32.self, forKey: .identity)
        namedPorts = try container.decodeIfPresent([SkeinEndpointSlice.NamedPort].self, forKey: .namedPorts) ?? []
        namespace = try container.decodeIfPresent(String.self, forKey: .namespace) ?? ""
        podName = try container.decodeIfPresent(String.self, forKey: .podName) ?? ""
    }
}

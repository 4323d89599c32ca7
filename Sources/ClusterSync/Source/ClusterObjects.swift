// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Model
import NetTypes

extension Namespace {
    init(_ namespace: KubeNamespace) {
        self.init(
            name: namespace.metadata.name,
            labels: Labels(namespace.metadata.labels.lazy.map { (key: $0.key, value: $0.value) }))
    }
}

extension Pod {
    init(_ pod: KubePod) {
        self.init(
            namespace: pod.metadata.namespace, name: pod.metadata.name, uid: pod.runtimeUID,
            labels: Labels(pod.metadata.labels.lazy.map { (key: $0.key, value: $0.value) }),
            namedPorts: pod.namedPorts.map { NamedPort(name: $0.name, protocol: $0.protocol, port: $0.port) },
            // Those of a pod that has ended may be another's by now.
            addresses: pod.hasEnded ? [] : pod.podIPs, hostNetwork: pod.hostNetwork)
    }
}

extension EndpointSlice {
    /// Named ports of a protocol that no policy can name are left out.
    init(_ slice: SkeinEndpointSlice) {
        self.init(node: slice.nodeName, endpoints: slice.endpoints.map { ClusterEndpoint($0) })
    }
}

extension ClusterEndpoint {
    init(_ endpoint: SkeinEndpointSlice.Endpoint) {
        self.init(
            addresses: endpoint.addresses, identity: endpoint.identity,
            namedPorts: endpoint.namedPorts.compactMap { port in
                IPProtocol(name: port.protocol).map { NamedPort(name: port.name, protocol: $0, port: port.port) }
            },
            namespace: endpoint.namespace, podName: endpoint.podName)
    }
}

extension SkeinEndpointSlice.Endpoint {
    init(_ endpoint: ClusterEndpoint) {
        self.init(
            addresses: endpoint.addresses, identity: endpoint.identity,
            namedPorts: endpoint.namedPorts.map {
                SkeinEndpointSlice.NamedPort(name: $0.name, protocol: $0.protocol.name, port: $0.port)
            },
            namespace: endpoint.namespace, podName: endpoint.podName)
    }
}

/// v1 Node, with its taints.
struct WatchedNode: KubeObject, Hashable, Decodable {
    struct Taint: Hashable, Codable {
        var key: String
        var value: String?
        var effect: String
        /// RFC 3339.
        var timeAdded: String?
    }

    let node: KubeNode
    let taints: [Taint]

    var metadata: ObjectMeta { node.metadata }

    private enum CodingKeys: String, CodingKey { case spec }

    private struct Spec: Decodable {
        let taints: [Taint]?
    }

    init(node: KubeNode, taints: [Taint] = []) {
        self.node = node
        self.taints = taints
    }

    init(from decoder: any Decoder) throws {
        node = try KubeNode(from: decoder)
        let container = try decoder.container(keyedBy: CodingKeys.self)
        taints = try container.decodeIfPresent(Spec.self, forKey: .spec)?.taints ?? []
    }

    static let resource = Resource<WatchedNode>(KubeNode.resource.descriptor)
}

/// discovery.k8s.io EndpointSlice: what of it says where a service's endpoints are. Alike in v1 and v1beta1.
struct ServiceEndpoints: KubeObject, Hashable, Decodable {
    let metadata: ObjectMeta
    let addresses: Set<IPAddress>

    private enum CodingKeys: String, CodingKey { case metadata, addressType, endpoints }

    private struct Endpoint: Decodable {
        struct Conditions: Decodable {
            let ready: Bool?
        }

        let addresses: [String]?
        let conditions: Conditions?
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try container.decode(ObjectMeta.self, forKey: .metadata)
        let type = try container.decodeIfPresent(String.self, forKey: .addressType)
        let endpoints = try container.decodeIfPresent([Endpoint].self, forKey: .endpoints) ?? []
        guard type != "FQDN" else {
            addresses = []
            return
        }
        // Unknown is ready, as the API has it.
        let ready = endpoints.filter { $0.conditions?.ready ?? true }
        addresses = Set(ready.flatMap { $0.addresses ?? [] }.compactMap { IPAddress($0) })
    }
}

/// v1 Service: its addresses, which the node's stack translates. Those of a load balancer that sees the packets itself
/// (`ipMode` Proxy) are not among them.
struct WatchedService: KubeObject, Hashable, Decodable {
    let metadata: ObjectMeta
    let addresses: Set<IPAddress>

    private enum CodingKeys: String, CodingKey { case metadata, spec, status }

    private struct Spec: Decodable {
        let clusterIP: String?
        let clusterIPs: [String]?
        let externalIPs: [String]?
    }

    private struct Status: Decodable {
        struct LoadBalancer: Decodable {
            let ingress: [Ingress]?
        }

        struct Ingress: Decodable {
            let ip: String?
            let ipMode: String?
        }

        let loadBalancer: LoadBalancer?
    }

    init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        metadata = try container.decode(ObjectMeta.self, forKey: .metadata)
        let spec = try container.decodeIfPresent(Spec.self, forKey: .spec)
        let balancers = try container.decodeIfPresent(Status.self, forKey: .status)?.loadBalancer?.ingress ?? []
        let told =
            [spec?.clusterIP].compactMap(\.self) + (spec?.clusterIPs ?? []) + (spec?.externalIPs ?? [])
            + balancers.filter { $0.ipMode != "Proxy" }.compactMap(\.ip)
        // "None" and names are none.
        addresses = Set(told.compactMap { IPAddress($0) })
    }

    static let resource = Resource<WatchedService>(
        ResourceDescriptor(group: "", version: "v1", plural: "services", kind: "Service", isNamespaced: true))
}

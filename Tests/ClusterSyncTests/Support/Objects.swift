// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import NetTypes
import Testing

@testable import ClusterSync

/// Puts objects where the API server has them.
extension Stand {
    static let slices = "/apis/skein.dev/v1/skeinendpointslices"
    static let identities = "/apis/skein.dev/v1/skeinidentities"
    static let nodes = "/apis/skein.dev/v1/skeinnodes"

    func putNamespace(_ name: String, labels: String = "{}") throws {
        try cluster.put(
            "/api/v1/namespaces/\(name)",
            "{\"metadata\":{\"name\":\"\(name)\",\"uid\":\"\(name)\",\"labels\":\(labels)}}")
    }

    func putPod(_ name: String, node: String = "node-1", ip: String? = nil, phase: String = "Running") throws {
        let ips = ip.map { ",\"podIPs\":[{\"ip\":\"\($0)\"}]" } ?? ""
        try cluster.put(
            "/api/v1/namespaces/default/pods/\(name)",
            """
            {"metadata":{"name":"\(name)","namespace":"default","uid":"\(name)","labels":{"app":"\(name)"}},\
            "spec":{"nodeName":"\(node)"},"status":{"phase":"\(phase)"\(ips)}}
            """)
    }

    func putNode(
        _ name: String = "node-1", ip: String = "192.0.2.1", podCIDR: String? = "10.0.1.0/24", taints: String = "[]"
    )
        throws
    {
        let ranges = podCIDR.map { ",\"podCIDRs\":[\"\($0)\"]" } ?? ""
        try cluster.put(
            "/api/v1/nodes/\(name)",
            """
            {"metadata":{"name":"\(name)","uid":"uid-of-\(name)"},"spec":{"taints":\(taints)\(ranges)},\
            "status":{"addresses":[{"type":"Hostname","address":"\(name)"},{"type":"InternalIP","address":"\(ip)"}]}}
            """)
    }

    func putSkeinNode(_ name: String, addresses: String = "[]", podCIDRs: String = "[]") throws {
        try cluster.put(
            "\(Self.nodes)/\(name)",
            """
            {"metadata":{"name":"\(name)","uid":"sn-\(name)"},\
            "spec":{"addresses":\(addresses),"podCIDRs":\(podCIDRs)}}
            """)
    }

    func putIdentity(_ number: some Any, _ labels: SecurityLabels, uid: String? = nil) throws {
        let flat = JSONValue.object(labels.flat.mapValues { .string($0) })
        try cluster.put(
            "\(Self.identities)/\(number)",
            "{\"metadata\":{\"name\":\"\(number)\",\"uid\":\"\(uid ?? "\(number)")\"},\"spec\":{\"labels\":\(flat.text)}}"
        )
    }

    func putSlice(_ name: String, node: String, _ addresses: [String], identity: Int = 300) throws {
        let endpoints = addresses.map {
            "{\"addresses\":[\"\($0)\"],\"identity\":\(identity),\"namespace\":\"default\",\"podName\":\"p-\($0)\"}"
        }
        try cluster.put(
            "\(Self.slices)/\(name)",
            """
            {"metadata":{"name":"\(name)","uid":"\(name)"},"nodeName":"\(node)",\
            "endpoints":[\(endpoints.joined(separator: ","))]}
            """)
    }

    /// `spec` is JSON.
    func putPolicy(
        _ kind: ClusterKind, _ name: String, _ spec: String, uid: String = "one", generation: Int = 1
    ) throws {
        let path = try policyPath(kind, name)
        let namespace = kind.policyDescriptor?.isNamespaced ?? false ? "\"namespace\":\"default\"," : ""
        let status = cluster.object(path)?["status"] ?? .null
        let suffix = status == .null ? "" : ",\"status\":\(status.text)"
        try cluster.put(
            path,
            """
            {"apiVersion":"x","kind":"\(kind.name)","metadata":{\(namespace)"name":"\(name)","uid":"\(uid)",\
            "generation":\(generation)},"spec":\(spec)\(suffix)}
            """)
    }

    func policyPath(_ kind: ClusterKind, _ name: String) throws -> String {
        let descriptor = try #require(kind.policyDescriptor)
        let namespace = descriptor.isNamespaced ? "namespaces/default/" : ""
        return "/apis/\(descriptor.apiVersion)/\(namespace)\(descriptor.plural)/\(name)"
    }

    func putAPIServers(_ addresses: [String], slice: String = "kubernetes") throws {
        let endpoints = addresses.map { "{\"addresses\":[\"\($0)\"],\"conditions\":{\"ready\":true}}" }
        try cluster.put(
            "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/\(slice)",
            """
            {"metadata":{"name":"\(slice)","namespace":"default"},"addressType":"IPv4",\
            "endpoints":[\(endpoints.joined(separator: ","))]}
            """)
    }

    static let services = "/api/v1/namespaces/default/services"

    func putService(_ name: String, spec: String, ingress: String = "[]") throws {
        try cluster.put(
            "\(Self.services)/\(name)",
            """
            {"metadata":{"name":"\(name)","namespace":"default"},"spec":\(spec),\
            "status":{"loadBalancer":{"ingress":\(ingress)}}}
            """)
    }

    /// What the slices of a node hold together, as text, and each slice's size.
    func endpoints(of node: String) -> [String: [String]] {
        var result: [String: [String]] = [:]
        for name in cluster.names(in: Self.slices) {
            guard let slice = cluster.object("\(Self.slices)/\(name)"), slice["nodeName"].string == node,
                case .array(let endpoints) = slice["endpoints"]
            else { continue }
            result[name] = endpoints.compactMap { $0["podName"].string }.sorted()
        }
        return result
    }
}

enum Specs {
    static let allowAll = #"{"podSelector":{},"ingress":[{}]}"#
    static let denyAll = #"{"podSelector":{},"policyTypes":["Ingress"]}"#
    static let badPort = #"{"podSelector":{},"ingress":[{"ports":[{"port":70000}]}]}"#
    static let skein = #"{"endpointSelector":{},"ingress":[{"fromEntities":["host"]}]}"#
    static let skeinOther = #"{"endpointSelector":{},"ingress":[{"fromEntities":["world"]}]}"#
    static let skeinBad = #"{"endpointSelector":{},"ingress":[{"fromEntitys":["host"]}]}"#
    static let cluster =
        #"{"tier":"Admin","priority":5,"subject":{"namespaces":{}},"ingress":[{"action":"Deny","from":[{"namespaces":{}}]}]}"#
}

func labels(_ app: String, namespace: String = "default") -> SecurityLabels {
    SecurityLabels(namespace: namespace, nil, podLabels: ["app": app])
}

func endpoint(_ address: String, _ pod: String, identity: IdentityNumber = 300) throws -> ClusterEndpoint {
    ClusterEndpoint(
        addresses: [try #require(IPAddress(address))], identity: identity, namespace: "default", podName: pod)
}

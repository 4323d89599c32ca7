// SPDX-License-Identifier: Apache-2.0
import KubeClient

/// The namespaces, pods and the service of a test.
package enum TestObjects {
    /// On everything that a test makes: what has it may be deleted.
    package static let ownerLabel = "app.kubernetes.io/managed-by"
    package static let owner = "skein-connectivity-test"
    /// Says of cluster-wide objects which test they are of.
    package static let testLabel = "connectivity-test"
    /// On the namespaces: main or other.
    static let roleLabel = "connectivity-test-role"

    static func labels(_ topology: Topology) -> [String: String] {
        [ownerLabel: owner, testLabel: topology.namespace]
    }

    static func namespaces(_ topology: Topology) -> [KubeDocument] {
        [(topology.namespace, "main"), (topology.otherNamespace, "other")].map { name, role in
            // One pod uses its node's network.
            let security = ["pod-security.kubernetes.io/enforce": "privileged"]
            let labels = labels(topology).merging([roleLabel: role]) { $1 }.merging(security) { $1 }
            return KubeDocument(metadata: ObjectMeta(name: name, labels: labels), json: [:])
        }
    }

    static func service(_ topology: Topology) -> KubeDocument {
        KubeDocument(
            metadata: ObjectMeta(name: "echo", namespace: topology.namespace, labels: labels(topology)),
            json: [
                "spec": [
                    "ipFamilyPolicy": "PreferDualStack",
                    "selector": ["kind": "echo"],
                    "ports": [["name": "http", "port": 80, "targetPort": "http", "protocol": "TCP"]],
                ]
            ])
    }

    static func pod(_ echo: Echo, _ topology: Topology, image: String) -> KubeDocument {
        let node = echo == .far ? topology.nodes.last : topology.nodes.first
        func server(_ name: String, _ port: UInt16, udp: UInt16) -> JSON {
            [
                "name": .string(name), "image": .string(image), "imagePullPolicy": "IfNotPresent",
                "command": ["/agnhost", "netexec", "--http-port=\(port)", "--udp-port=\(udp)"],
                "ports": [["name": .string(name), "containerPort": .integer(Int64(port)), "protocol": "TCP"]],
                "readinessProbe": ["tcpSocket": ["port": .integer(Int64(port))], "periodSeconds": 1],
            ]
        }
        let containers = [
            server("http", Target.Port.httpNumber, udp: Target.Port.udpNumber),
            server("other", Target.Port.otherNumber, udp: Target.Port.udpNumber + 1),
        ]
        return pod(
            echo.rawValue, in: topology.namespace, topology, node: node?.name, ["kind": "echo"],
            ["containers": .array(containers)])
    }

    static func pod(_ prober: Prober, _ topology: Topology, image: String, questions: [Question]) -> KubeDocument {
        let container: JSON = [
            "name": "prober", "image": .string(image), "imagePullPolicy": "IfNotPresent",
            "command": ["bash", "-c", .string(ProbeScript.text)],
            "env": [["name": "QUESTIONS", "value": .string(ProbeScript.variable(questions))]],
            "volumeMounts": [["name": "tmp", "mountPath": "/tmp"]],
        ]
        var spec: JSON = ["containers": [container], "volumes": [["name": "tmp", "emptyDir": [:]]]]
        if prober == .host { spec["hostNetwork"] = true }
        var labels = prober == .host ? [:] : ["kind": "client"]
        if prober == .otherClient { labels["other"] = "yes" }
        let node = prober == .client ? topology.nodes.first : topology.nodes.last
        return pod(
            prober.rawValue, in: prober.namespace(topology), topology, node: node?.name, labels, spec)
    }

    private static func pod(
        _ name: String, in namespace: String, _ topology: Topology, node: String?, _ labels: [String: String],
        _ spec: JSON
    ) -> KubeDocument {
        var spec = spec
        // No scheduler: it might have other ideas of the node, and may not work without a network.
        if let node { spec["nodeName"] = .string(node) }
        spec["tolerations"] = [["operator": "Exists"]]
        spec["terminationGracePeriodSeconds"] = 0
        spec["automountServiceAccountToken"] = false
        spec["enableServiceLinks"] = false
        let all = self.labels(topology).merging(["name": name]) { $1 }.merging(labels) { $1 }
        return KubeDocument(
            metadata: ObjectMeta(name: name, namespace: namespace, labels: all), json: ["spec": spec])
    }
}

extension Prober {
    package func namespace(_ topology: Topology) -> String {
        switch self {
        case .client, .otherClient: topology.namespace
        case .stranger, .host: topology.otherNamespace
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import BenchReport
import Foundation
import Kernel
import NetTypes
import TestSupport

/// What wiring a pod costs, process start to exit with its policy in the kernel, and what the agent weighs, with 10,000
/// identities and 1,000 policies.
struct CNIBench {
    let programs: String
    let objects: String
    let plugins: String
    private static let rounds = 60
    /// Where both sides keep their state: a file system in memory, as /run is one on a node, so that no disk is measured.
    private static let memory = "/dev/shm"

    func run(into report: inout Report) throws {
        print("cni: 10,000 pods and 1,000 policies in the manifests")
        Bench.point(to: programs, objects)
        let node = try TestNode(in: Self.memory)
        defer { node.tearDown() }
        let manifests = Manifests()
        try node.write(manifest: manifests.pods, "pods")
        try node.write(manifest: manifests.policies, "policies")
        let start = PolicyBench.now()
        try node.start(["--log-level", "notice"], ranges: [prefix("10.244.0.0/16"), prefix("fd00:244::/64")])
        report.add("agent, start to ready", PolicyBench.now() - start, "s")

        // They stay wired to the end: what is measured after them is measured beside them.
        let pods = try hundred(node, &report)
        defer { withExtendedLifetime(pods) {} }
        try oneByOne(node, &report)
        let status = try node.client.status()
        report.add("agent's memory (resident)", Double(status.memory ?? 0) / 1_048_576, "MiB", goal: .atMost(60))
    }

    /// A hundred pods, one of each namespace, started at once.
    private func hundred(_ node: TestNode, _ report: inout Report) throws -> [TestPod] {
        let pods = try (0..<100).map { try TestPod(on: node, "pod-\($0)", namespace: "ns-\($0)") }
        let start = PolicyBench.now()
        let children = try pods.map { try $0.call("ADD").start(on: node) }
        var failed = 0
        for child in children where child.wait(timeout: .seconds(60)) != .code(0) { failed += 1 }
        report.add("100 ADDs at once, all done", (PolicyBench.now() - start) * 1e3, "ms")
        report.add("100 ADDs at once, failed", Double(failed), "ADDs", goal: .atMost(0))
        return pods
    }

    private func oneByOne(_ node: TestNode, _ report: inout Report) throws {
        let peer = try BridgePeer(plugins: plugins, state: Self.memory)
        let cni = try Programs.cni
        var added: [Double] = [], deleted: [Double] = [], peerAdded: [Double] = [], peerDeleted: [Double] = []
        // To the end: the kernel takes namespaces apart behind everybody's back, and what is measured next would wait.
        var pods: [TestPod] = [], others: [TestNamespace] = []
        defer { withExtendedLifetime((pods, others)) {} }
        for round in 0..<Self.rounds {
            let pod = try TestPod(on: node, "extra-\(round)", namespace: "ns-\(round)", labels: ["app": "app-\(round)"])
            func call(_ command: String) throws -> Double {
                let call = pod.call(command)
                return try node.namespace.run {
                    try TimedProcess.run(cni, environment: call.environment, input: call.input(for: node))
                }
            }
            let other = try TestNamespace()
            pods.append(pod)
            others.append(other)
            // In turns the first, as each leaves the kernel some work for after its end.
            for isOurs in [round.isMultiple(of: 2), !round.isMultiple(of: 2)] {
                if isOurs {
                    added.append(try call("ADD"))
                } else {
                    peerAdded.append(try peer.call("ADD", pod.containerID, other))
                }
            }
            deleted.append(try call("DEL"))
            peerDeleted.append(try peer.call("DEL", pod.containerID, other))
        }
        report.add(
            "CNI ADD, median", median(added) * 1e3, "ms", peer: ("bridge + host-local", median(peerAdded) * 1e3),
            goal: .ratioAtMost(0.5))
        report.add(
            "CNI ADD, 99th percentile", percentile(added, 0.99) * 1e3, "ms",
            peer: ("bridge + host-local", percentile(peerAdded, 0.99) * 1e3))
        report.add(
            "CNI DEL, median", median(deleted) * 1e3, "ms", peer: ("bridge + host-local", median(peerDeleted) * 1e3))
    }
}

/// The same cluster as `Cluster`, as YAML.
private struct Manifests {
    var pods: String {
        (0..<Cluster.podCount).map { pod in
            // The first hundred get their addresses from ADD.
            let address = pod < 100 ? "" : "\nstatus: {podIP: \(Cluster.ipv4(pod + 0x10_0000))}"
            return """
                apiVersion: v1
                kind: Pod
                metadata:
                  name: pod-\(pod)
                  namespace: \(Cluster.namespace(pod))
                  labels: {app: app-\(pod / 100), tier: tier-\(pod % 5), id: pod-\(pod)}
                spec: {containers: [{name: main}]}\(address)
                """
        }.joined(separator: "\n---\n")
    }

    var policies: String {
        (0..<Cluster.policyCount).map { number in
            let namespace = number % Cluster.namespaceCount, variant = number / Cluster.namespaceCount
            let previous = "ns-\((namespace + Cluster.namespaceCount - 1) % Cluster.namespaceCount)"
            let apps = (variant * 10..<variant * 10 + 10).map { "app-\($0)" }.joined(separator: ", ")
            let block = variant == 9 ? "\n    - ipBlock: {cidr: 192.\(namespace).0.0/16}" : ""
            return """
                apiVersion: networking.k8s.io/v1
                kind: NetworkPolicy
                metadata: {name: policy-\(variant), namespace: ns-\(namespace)}
                spec:
                  podSelector: {}
                  ingress:
                  - from:
                    - namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: \(previous)}}
                      podSelector: {matchExpressions: [{key: app, operator: In, values: [\(apps)]}]}\(block)
                    ports: [{port: 8080, endPort: 8083}]
                """
        }.joined(separator: "\n---\n")
    }
}

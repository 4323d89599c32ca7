// SPDX-License-Identifier: Apache-2.0
import BenchReport
import Kernel
import NetTypes
import TestSupport

/// Real TCP between two pods of one node, with policies on, beside two namespaces that the `bridge` plugin has wired, without
/// policy. One connection, one second a round, rounds interleaved.
struct TrafficBench {
    let programs: String
    let objects: String
    let plugins: String
    private static let rounds = 7

    private struct Pair {
        let client: TestNamespace
        let server: TestNamespace
        let address: IPAddress
        let peerAddress: IPAddress
    }

    func run(into report: inout Report) throws {
        print("traffic: pod to pod on one node")
        Bench.point(to: programs, objects)
        let node = try TestNode()
        defer { node.tearDown() }
        try node.write(manifest: Self.policies, "policies")
        try node.start(["--log-level", "notice"])
        let server = try node.addPod("server", labels: ["app": "server"])
        let client = try node.addPod("client", labels: ["app": "client"])
        let peer = try BridgePeer(plugins: plugins)
        let (peerServer, peerClient) = (try TestNamespace(), try TestNamespace())
        _ = try peer.call("ADD", "server", peerServer)
        _ = try peer.call("ADD", "client", peerClient)

        let skein = Pair(
            client: client.namespace, server: server.namespace, address: server.address4, peerAddress: client.address4)
        let bridge = Pair(
            client: peerClient, server: peerServer, address: address("10.88.0.2"), peerAddress: address("10.88.0.3"))
        for (name, unit, work) in [
            ("request and response, one connection", "1/s", TCPWork.requests),
            ("connect, request, response, close", "1/s", .connections),
            ("stream, one connection", "Gbit/s", .stream),
        ] {
            var ours: [Double] = [], theirs: [Double] = []
            for round in 0..<Self.rounds {
                // Who goes first changes, so that neither has the warmer machine.
                for isOurs in round % 2 == 0 ? [true, false] : [false, true] {
                    let pair = isOurs ? skein : bridge
                    let value = try work.measure(
                        from: pair.client, to: pair.server, address: pair.address, port: 8080)
                    if isOurs { ours.append(value) } else { theirs.append(value) }
                }
            }
            report.add(name, median(ours), unit, peer: ("bridge", median(theirs)), goal: .ratioAtLeast(1))
        }
    }

    private static let policies = """
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: server, namespace: default}
        spec:
          podSelector: {matchLabels: {app: server}}
          policyTypes: [Ingress, Egress]
          ingress:
          - from: [{podSelector: {matchLabels: {app: client}}}]
            ports: [{port: 8080}]
        ---
        apiVersion: networking.k8s.io/v1
        kind: NetworkPolicy
        metadata: {name: client, namespace: default}
        spec:
          podSelector: {matchLabels: {app: client}}
          policyTypes: [Ingress, Egress]
          egress:
          - to: [{podSelector: {matchLabels: {app: server}}}]
            ports: [{port: 8080}]
        """
}

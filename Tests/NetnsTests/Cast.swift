// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import NetTypes
import TestSupport
import Testing

/// A node with a server, who listens on ports 80, 81 (TCP) and 53, 54 (UDP), and pods who would like to talk to it.
struct Cast {
    let node: TestNode
    /// app=server, named port "web" is 80.
    let server: TestPod
    /// role=friend, in the server's namespace.
    let friend: TestPod
    /// role=stranger, in the server's namespace.
    let stranger: TestPod
    /// role=friend, in a namespace with team=guests.
    let guest: TestPod

    static let base = documents(
        namespaceManifest("default", labels: ["team": "home"]),
        namespaceManifest("guests", labels: ["team": "guests"]),
        podManifest("server", labels: ["app": "server"], ports: ["web": 80]))

    /// Runs `body` with policies in force.
    static func with(_ policies: String..., body: (Cast) throws -> Void) throws {
        var manifests = ["base": base]
        for (index, policy) in policies.enumerated() { manifests["policy-\(index)"] = policy }
        try TestNode.with(manifests: manifests) { node in
            #expect(try node.client.status().manifestErrors.isEmpty)
            let cast = Cast(
                node: node, server: try node.addPod("server"),
                friend: try node.addPod("friend", labels: ["role": "friend"]),
                stranger: try node.addPod("stranger", labels: ["role": "stranger"]),
                guest: try node.addPod("guest", namespace: "guests", labels: ["role": "friend"]))
            let echo = try EchoServer(in: cast.server, tcp: [80, 81, 8_000, 8_005, 8_010, 8_011], udp: [53, 54])
            let outside = try EchoServer(in: node.world.namespace, tcp: [80, 443], udp: [53])
            defer {
                echo.stop()
                outside.stop()
            }
            try body(cast)
        }
    }

    var world: TestNamespace { node.world.namespace }
}

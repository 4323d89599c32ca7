// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import Glibc
import TestSupport
import Testing

private let rule = policyManifest(
    "rule",
    """
    podSelector: {matchLabels: {app: server}}
    policyTypes: [Ingress]
    ingress: [{from: [{podSelector: {matchLabels: {role: client}}}]}]
    """)

/// A server with a client who may call it and a stranger who may not, and connections that never rest.
private final class Scene {
    let node: TestNode
    let server: TestPod
    let client: TestPod
    let stranger: TestPod
    private let echo: EchoServer
    private let outside: EchoServer
    let traffic: [Traffic]

    static func with(_ body: (Scene) throws -> Void) throws {
        try TestNode.with(manifests: ["rule": rule]) { node in
            let scene = try Scene(node)
            defer { scene.end() }
            try body(scene)
        }
    }

    private init(_ node: TestNode) throws {
        self.node = node
        server = try node.addPod("server", labels: ["app": "server"])
        client = try node.addPod("client", labels: ["role": "client"])
        stranger = try node.addPod("stranger", labels: ["role": "stranger"])
        echo = try EchoServer(in: server, tcp: [80], udp: [53])
        outside = try EchoServer(in: node.world.namespace, tcp: [80], udp: [53])
        // Between pods by both families, and to the outside.
        var connections: [EchoConnection] = []
        for kind in [Probe.Kind.tcp(80), .udp(53)] {
            connections.append(try EchoConnection(kind, from: client, to: server.address4))
            connections.append(try EchoConnection(kind, from: client, to: server.address6))
            connections.append(try EchoConnection(kind, from: client, to: World.address4))
        }
        traffic = try connections.map { try Traffic(over: $0) }
    }

    private func end() {
        traffic.forEach { $0.stop() }
        echo.stop()
        outside.stop()
    }

    /// Every connection has gone on, and the rule is kept for those that begin.
    func expectAllWell(_ moment: Comment, sourceLocation: SourceLocation = #_sourceLocation) throws {
        for one in traffic { #expect(one.waitForMore(5), moment, sourceLocation: sourceLocation) }
        let probes = [client, stranger].flatMap { pod in
            [Probe(.tcp(80), from: pod, to: server.address4), Probe(.udp(53), from: pod, to: server.address6)]
        }
        let outcomes = try Probe.outcomes(probes, expected: [0, 1])
        #expect(outcomes == [.connected, .connected, .timedOut, .timedOut], moment, sourceLocation: sourceLocation)
    }

    func expectNothingLost(sourceLocation: SourceLocation = #_sourceLocation) {
        for (index, one) in traffic.enumerated() {
            let report = one.stop()
            #expect(report.lost == 0, "connection \(index)", sourceLocation: sourceLocation)
            #expect(report.error == nil, "connection \(index)", sourceLocation: sourceLocation)
            if index < 3 {
                #expect(one.lostSegments == 0, "connection \(index)", sourceLocation: sourceLocation)
            }
        }
    }
}

extension NetnsTests {
    @Suite struct RestartTests {
        @Test func `a killed agent takes no connection and no rule with it`() throws {
            try Scene.with { scene in
                try scene.expectAllWell("before")
                try scene.node.kill()
                try scene.expectAllWell("while it is away")
                try scene.node.start()
                try scene.expectAllWell("when it is back")
                #expect(try scene.node.client.status().adopted == true)
                // What it can do is complete again.
                let late = try scene.node.addPod("late", labels: ["role": "client"])
                try expect(on: scene.node, [allowed(.tcp(80), late, scene.server)])
                scene.expectNothingLost()
            }
        }

        @Test func `an agent is replaced under traffic`() throws {
            try Scene.with { scene in
                try scene.node.restart()
                try scene.expectAllWell("after a restart")
                // Other settings mean other programs.
                try scene.node.stop()
                try scene.node.start(["--host-routing", "stack", "--map-policy-rows", "4096"])
                try scene.expectAllWell("after another build")
                scene.expectNothingLost()
            }
        }

        @Test func `what changed while the agent was away holds from its start on`() throws {
            try Scene.with { scene in
                let (node, server) = (scene.node, scene.server)
                let connection = try EchoConnection(.tcp(80), from: scene.client, to: server.address4)
                #expect(try connection.ping())
                scene.traffic.forEach { $0.stop() }
                try node.kill()
                let edited = rule.replacing("role: client", with: "role: stranger")
                try node.write(manifest: edited, "rule")
                #expect(try connection.ping(), "the old rule holds while nobody reads the new one")
                try node.start()
                #expect(try !connection.ping(within: Probe.silence))
                try expect(
                    on: node,
                    [refused(.tcp(80), scene.client, server), allowed(.tcp(80), scene.stranger, server)])

                // A pod that went away meanwhile is forgotten.
                try node.kill()
                try scene.stranger.del()
                try node.start()
                #expect(try !node.client.endpoints().contains { $0.podName == "stranger" })
            }
        }

        @Test func `twenty kills in a row lose nothing`() throws {
            try Scene.with { scene in
                var generator = SplitMix64(seed: 20)
                for round in 1...10 {
                    try scene.node.kill()
                    // And in the middle of its start, wherever that is.
                    try scene.node.launch()
                    usleep(UInt32.random(in: 0...400_000, using: &generator))
                    try scene.node.kill()
                    for one in scene.traffic { #expect(one.waitForMore(2), "round \(round)") }
                    try scene.node.start()
                    for one in scene.traffic { #expect(one.waitForMore(2), "round \(round)") }
                }
                try scene.expectAllWell("in the end")
                scene.expectNothingLost()
                #expect(try scene.node.client.endpoints().count == 3)
            }
        }

        @Test func `--uninstall takes policy off the node, and a new agent knows the pods again`() throws {
            try TestNode.with(manifests: ["rule": rule]) { node in
                let before = try node.traces()
                let server = try node.addPod("server", labels: ["app": "server"])
                let stranger = try node.addPod("stranger")
                let echo = try EchoServer(in: server, tcp: [80])
                defer { echo.stop() }
                let busy = try node.uninstall()
                #expect(!busy.isSuccess)
                #expect(busy.errors.contains("is running"))
                try node.stop()
                let result = try node.uninstall()
                #expect(result.isSuccess, "\(result.errors)")
                let traces = try node.traces()
                #expect(traces.pins.isEmpty)
                #expect(traces.devices.count == 2)
                // Nobody enforces anything any more; by the node's own routes pods still reach each other.
                #expect(try Probe(.tcp(80), from: stranger, to: server.address4).outcome() == .connected)
                try node.start()
                try expect(on: node, [refused(.tcp(80), stranger, server)])
                #expect(try node.traces().devices == traces.devices)
                for pod in [server, stranger] { try pod.del() }
                #expect(try node.traces() == before)
            }
        }
    }
}

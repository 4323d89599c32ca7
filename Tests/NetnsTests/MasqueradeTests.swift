// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import Glibc
import Kernel
import NetTypes
import TestSupport
import Testing

/// A pod, the node, a router and a server behind it that only knows the node.
private final class Scene {
    let node: TestNode
    let far: FarServer
    let echo: EchoServer

    static func with(_ arguments: [String] = [], _ body: (Scene) throws -> Void) throws {
        try TestNode.with(arguments) { node in
            let scene = try Scene(node)
            defer { scene.echo.stop() }
            try body(scene)
        }
    }

    private init(_ node: TestNode) throws {
        self.node = node
        far = try FarServer(behind: node.world)
        echo = try EchoServer(in: far.namespace, tcp: [80, 81], udp: [53])
    }

    /// Owner and port of the node for connections of this protocol, as `skein map dump nat` shows them.
    func mappings(_ protocol: String) throws -> [(owner: String, node: String)] {
        try node.client.dump(map: "nat").rows.filter { $0.first == `protocol` }.map { ($0[1], $0[2]) }
    }
}

private let kinds: [Probe.Kind] = [.tcp(80), .udp(53), .ping]

private func connect(_ kind: Probe.Kind, from pod: TestPod, port: UInt16, to destination: IPAddress) throws
    -> ProbeSocket
{
    guard case .tcp(let number) = kind else { throw SystemError("connect", .invalid) }
    let socket = try pod.run { try ProbeSocket(.tcp, isIPv6: !destination.isIPv4) }
    try socket.bind(destination.isIPv4 ? .unspecifiedIPv4 : .unspecifiedIPv6, port: port)
    if try !socket.connect(destination, port: number), !socket.waitUntilConnected() {
        throw SystemError("connect", .timedOut, "port \(port) to \(destination)")
    }
    return socket
}

/// Sends and waits for what comes back.
private func echoes(_ socket: ProbeSocket, _ text: String) throws -> Bool {
    let bytes = Array(text.utf8)
    _ = try socket.send(bytes[...])
    return socket.waitUntilReceived(count: bytes.count)
}

extension NetnsTests {
    @Suite struct MasqueradeTests {
        @Test(arguments: [[], ["--host-routing", "stack"]])
        func `a pod reaches a server that only knows the node`(arguments: [String]) throws {
            try Scene.with(arguments) { scene in
                let pod = try scene.node.addPod("pod")
                for destination in FarServer.addresses {
                    for kind in kinds {
                        #expect(try Probe(kind, from: pod, to: destination).outcome() == .connected, "\(destination)")
                        // And the node itself does, by the same device.
                        #expect(
                            try Probe(kind, from: scene.node.namespace, to: destination).outcome() == .connected,
                            "the node to \(destination)")
                    }
                    // What nobody listens on is refused by the server: its RST and its ICMP error find the pod.
                    #expect(try Probe(.tcp(82), from: pod, to: destination).outcome() == .refused)
                    #expect(try Probe(.udp(54), from: pod, to: destination).outcome() == .refused)
                }
                let owners = try scene.mappings("TCP").map(\.owner)
                #expect(owners.contains { $0.hasPrefix("\(pod.address4):") })
                #expect(owners.contains { $0.hasPrefix("[\(pod.address6)]:") })
            }
        }

        @Test func `off means that pods' addresses leave as they are`() throws {
            try Scene.with(["--masquerade", "off"]) { scene in
                let pod = try scene.node.addPod("pod")
                for destination in FarServer.addresses {
                    #expect(try Probe(.tcp(80), from: pod, to: destination).outcome(within: .seconds(1)) != .connected)
                }
                #expect(try scene.mappings("TCP").isEmpty)
                // Turned on, and off again by the next start.
                try scene.node.stop()
                try scene.node.start(["--masquerade", "on"])
                #expect(try Probe(.tcp(80), from: pod, to: FarServer.address4).outcome() == .connected)
                try scene.node.stop()
                try scene.node.start(["--non-masquerade-cidr", "203.0.113.0/24"])
                #expect(
                    try Probe(.udp(53), from: pod, to: FarServer.address4).outcome(within: .seconds(1)) != .connected)
                #expect(try Probe(.udp(53), from: pod, to: FarServer.address6).outcome() == .connected)
                try scene.node.stop()
                try scene.node.start(["--masquerade", "off"])
                #expect(
                    try Probe(.udp(53), from: pod, to: FarServer.address6).outcome(within: .seconds(1)) != .connected)
            }
        }

        @Test(arguments: [[], ["--host-routing", "stack"]])
        func `big packets find their way, whole and in parts`(arguments: [String]) throws {
            try Scene.with(arguments) { scene in
                let pod = try scene.node.addPod("pod")
                for destination in FarServer.addresses {
                    // The router's link is narrower than the pod's: TCP is told by an ICMP error, and goes on.
                    let connection = try EchoConnection(.tcp(80), from: pod, to: destination)
                    let bytes = (0..<64_000).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
                    for round in 0..<3 { #expect(try connection.exchange(bytes), "\(destination), \(round)") }
                    for size in [1_300, 4_000, 20_000] {
                        for kind in [Probe.Kind.udp(53), .ping] {
                            var probe = Probe(kind, from: pod, to: destination)
                            probe.size = size
                            // What is too big for the router is sent once more, smaller, by who heard of it.
                            let outcome = eventually(timeout: .seconds(10), every: .zero) {
                                (try? probe.outcome(within: .milliseconds(500))) == .connected
                            }
                            #expect(outcome, "\(kind), \(size) bytes to \(destination)")
                        }
                    }
                }
            }
        }

        @Test func `pods with the same port, and the node with it, speak to one server at once`() throws {
            try Scene.with { scene in
                let pods = try (1...3).map { try scene.node.addPod("pod\($0)") }
                for destination in FarServer.addresses {
                    // IPv6's wildcard is IPv4's, too.
                    let port: UInt16 = destination.isIPv4 ? 40_000 : 41_000
                    var sockets = try pods.map { try connect(.tcp(80), from: $0, port: port, to: destination) }
                    for (index, socket) in sockets.enumerated() { #expect(try echoes(socket, "first \(index)")) }
                    // The node begins after them, with the tuple that the first pod has.
                    let own = try scene.node.namespace.run { try ProbeSocket(.tcp, isIPv6: !destination.isIPv4) }
                    try own.bind(destination.isIPv4 ? .unspecifiedIPv4 : .unspecifiedIPv6, port: port)
                    if try !own.connect(destination, port: 80) { #expect(own.waitUntilConnected()) }
                    sockets.append(own)
                    for round in 0..<3 {
                        for (index, socket) in sockets.enumerated() {
                            #expect(try echoes(socket, "round \(round) of \(index)"), "\(destination)")
                        }
                    }
                    // The other way round: a port that the node uses is no pod's.
                    let other = try scene.node.namespace.run { try ProbeSocket(.tcp, isIPv6: !destination.isIPv4) }
                    try other.bind(destination.isIPv4 ? .unspecifiedIPv4 : .unspecifiedIPv6, port: port + 1)
                    if try !other.connect(destination, port: 80) { #expect(other.waitUntilConnected()) }
                    let late = try connect(.tcp(80), from: pods[0], port: port + 1, to: destination)
                    for round in 0..<2 {
                        #expect(try echoes(other, "node \(round)") && echoes(late, "pod \(round)"))
                    }
                }
                let nodePorts = try scene.mappings("TCP").map(\.node)
                #expect(Set(nodePorts).count == nodePorts.count)
            }
        }

        @Test func `connections outlive the agent, killed and replaced`() throws {
            try Scene.with { scene in
                let pod = try scene.node.addPod("pod")
                let rival = try scene.node.addPod("rival")
                var connections: [EchoConnection] = []
                for destination in FarServer.addresses {
                    connections.append(try EchoConnection(.tcp(80), from: pod, to: destination))
                    connections.append(try EchoConnection(.udp(53), from: pod, to: destination))
                }
                // One that had to be moved.
                let first = try connect(.tcp(81), from: pod, port: 40_000, to: FarServer.address4)
                let moved = try connect(.tcp(81), from: rival, port: 40_000, to: FarServer.address4)
                let traffic = try connections.map { try Traffic(over: $0) }
                for round in 0..<3 {
                    try scene.node.kill()
                    for one in traffic { #expect(one.waitForMore(3), "without an agent, round \(round)") }
                    try scene.node.start()
                    for one in traffic { #expect(one.waitForMore(3), "round \(round)") }
                }
                try scene.node.stop()
                try scene.node.start(["--map-nat", "4096"])
                for one in traffic { #expect(one.waitForMore(3), "in another table") }
                #expect(try echoes(first, "first") && echoes(moved, "moved"))
                for one in traffic {
                    let report = one.stop()
                    #expect(report.lost == 0 && report.error == nil)
                }
            }
        }

        @Test func `a router on the way is heard`() throws {
            try Scene.with { scene in
                let pod = try scene.node.addPod("pod")
                // The pod's gateway is the first hop, the router the second.
                for (destination, router) in [
                    (FarServer.address4, World.address4), (FarServer.address6, World.address6),
                ] {
                    let result = try pod.run {
                        try ChildProcess.run(
                            "/usr/bin/ping", ["-n", "-c", "1", "-W", "5", "-t", "2", "\(destination)"],
                            timeout: .seconds(20))
                    }
                    #expect(result.output.contains("From \(router)"), "\(result.output) \(result.errors)")
                    #expect(result.output.contains("exceeded") || result.output.contains("Hop limit"))
                }
            }
        }

        @Test func `what is shown and what is left behind`() throws {
            try Scene.with { scene in
                let pod = try scene.node.addPod("pod")
                #expect(try Probe(.tcp(80), from: pod, to: FarServer.address4).outcome() == .connected)
                let maps = try scene.node.client.maps()
                #expect(maps.contains { $0.name == "nat" && $0.setting == "--map-nat" })
                let prefixes = try scene.node.client.dump(map: "nat_prefixes").rows
                #expect(prefixes.contains(["10.244.1.0/24", "pods, not masqueraded"]))
                #expect(prefixes.contains(["192.0.2.1/32", "not masqueraded"]))
                // A pod that is gone leaves no connection to the next one of its address.
                try pod.del()
                #expect(try eventually(timeout: .seconds(40)) { try scene.mappings("TCP").isEmpty })
                try scene.node.stop()
                #expect(try scene.node.uninstall().isSuccess)
                #expect(try scene.node.traces().pins.isEmpty)
            }
        }

        @Test func `an address that the node gets later is the one that packets leave with`() throws {
            try Scene.with { scene in
                let pod = try scene.node.addPod("pod")
                // Without IPv6 on the device there is nothing to leave with.
                let ip = "/usr/sbin/ip"
                func run(_ arguments: String...) throws {
                    let result = try scene.node.namespace.run { try ChildProcess.run(ip, arguments) }
                    #expect(result.isSuccess, "\(result.errors)")
                }
                try run("address", "del", "192.0.2.1/24", "dev", World.device)
                try run("address", "add", "192.0.2.7/24", "dev", World.device)
                try run("route", "add", "default", "via", "192.0.2.2")
                // The server knows the old address only, the router also the new one.
                let echo = try EchoServer(in: scene.node.world.namespace, tcp: [80])
                defer { echo.stop() }
                #expect(
                    eventually(timeout: .seconds(20)) {
                        (try? Probe(.tcp(80), from: pod, to: World.address4).outcome(within: .seconds(1))) == .connected
                            && (try? scene.mappings("TCP").contains { $0.node.hasPrefix("192.0.2.7:") }) == true
                    })
            }
        }
    }
}

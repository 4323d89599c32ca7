// SPDX-License-Identifier: Apache-2.0
import Glibc
import NetTypes
import TestSupport
import Testing

extension NetnsTests {
    @Suite struct ConnectivityTests {
        private static let kinds: [Probe.Kind] = [.tcp(80), .udp(53), .ping]

        @Test func `pods reach each other when no policy selects them`() throws {
            try TestNode.with { node in
                let client = try node.addPod("client")
                let server = try node.addPod("server")
                let echo = try EchoServer(in: server, tcp: [80], udp: [53])
                defer { echo.stop() }
                try expect(on: node, Self.kinds.map { allowed($0, client, server) })
                // What nobody listens on is the other pod's to refuse.
                #expect(try Probe(.tcp(81), from: client, to: server.address4).outcome() == .refused)
                #expect(try Probe(.udp(54), from: client, to: server.address6).outcome() == .refused)
                // A pod reaches itself without the node.
                let own = try EchoServer(in: client, tcp: [80], udp: [53])
                defer { own.stop() }
                try expect(on: node, Self.kinds.map { allowed($0, client, client) })
            }
        }

        @Test func `big packets pass between pods`() throws {
            try TestNode.with { node in
                let client = try node.addPod("client")
                let server = try node.addPod("server")
                let echo = try EchoServer(in: server, tcp: [80], udp: [53])
                defer { echo.stop() }
                for destination in server.addresses {
                    // In six fragments and in many.
                    for size in [8_000, 60_000] {
                        var probe = Probe(.udp(53), from: client, to: destination)
                        probe.size = size
                        #expect(try probe.outcome() == .connected, "\(size) bytes to \(destination)")
                        probe = Probe(.ping, from: client, to: destination)
                        probe.size = size
                        #expect(try probe.outcome() == .connected, "ping of \(size) bytes to \(destination)")
                    }
                    let connection = try EchoConnection(.tcp(80), from: client, to: destination)
                    let mebibyte = (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) }
                    #expect(try connection.exchange(mebibyte), "\(destination)")
                }
            }
        }

        @Test func `the node and its pods reach each other`() throws {
            try TestNode.with { node in
                let pod = try node.addPod("pod")
                let echo = try EchoServer(in: pod, tcp: [80], udp: [53])
                let daemon = try EchoServer(in: node.namespace, tcp: [80], udp: [53])
                defer {
                    echo.stop()
                    daemon.stop()
                }
                for kind in Self.kinds {
                    try expect(on: node, [allowed(kind, from: node.namespace, to: pod.addresses)])
                    let own = [World.nodeAddress4, World.nodeAddress6]
                    try expect(on: node, [allowed(kind, from: pod.namespace, to: own)])
                }
                var big = Probe(.udp(53), from: node.namespace, to: pod.address4)
                big.size = 8_000
                #expect(try big.outcome() == .connected)
            }
        }

        @Test(arguments: ["bpf", "stack"])
        func `pods and hosts outside reach each other`(hostRouting: String) throws {
            try TestNode.with(["--host-routing", hostRouting]) { node in
                let pod = try node.addPod("pod")
                let echo = try EchoServer(in: pod, tcp: [80], udp: [53])
                let outside = try EchoServer(in: node.world.namespace, tcp: [80], udp: [53])
                defer {
                    echo.stop()
                    outside.stop()
                }
                let world = [World.address4, World.address6]
                for kind in Self.kinds {
                    try expect(on: node, [allowed(kind, from: pod.namespace, to: world)])
                    try expect(on: node, [allowed(kind, from: node.world.namespace, to: pod.addresses)])
                }
                for (source, destinations) in [(pod.namespace, world), (node.world.namespace, pod.addresses)] {
                    for destination in destinations {
                        var big = Probe(.udp(53), from: source, to: destination)
                        big.size = 8_000
                        #expect(try big.outcome() == .connected, "\(destination)")
                        let connection = try EchoConnection(.tcp(80), from: source, to: destination)
                        #expect(
                            try connection.exchange([UInt8](repeating: 7, count: 1 << 20)), "\(destination)")
                    }
                }
            }
        }

        @Test(arguments: [TestNode.range4, TestNode.range6])
        func `a node may have one family only`(range: Prefix) throws {
            try TestNode.with(ranges: [range]) { node in
                let client = try node.addPod("client")
                let server = try node.addPod("server")
                #expect(server.addresses.count == 1 && range.contains(server.addresses[0]))
                let echo = try EchoServer(in: server, tcp: [80], udp: [53])
                defer { echo.stop() }
                try expect(on: node, Self.kinds.map { allowed($0, client, server) })
                try expect(on: node, [allowed(.tcp(80), from: node.world.namespace, to: server.addresses)])
                try expect(on: node, [allowed(.ping, from: node.namespace, to: server.addresses)])
            }
        }

        @Test func `SCTP associations pass between pods`() throws {
            try Test.cancelUnlessKernelHasSCTP()
            try TestNode.with { node in
                let client = try node.addPod("client")
                let server = try node.addPod("server")
                let listener = try server.run { try ProbeSocket(.sctp, isIPv6: false) }
                try listener.bind(server.address4, port: 7)
                try listener.listen()
                let socket = try client.run { try ProbeSocket(.sctp, isIPv6: false) }
                _ = try socket.connect(server.address4, port: 7)
                #expect(socket.waitUntilConnected())
            }
        }
    }
}

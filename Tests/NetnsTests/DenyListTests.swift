// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import Kernel
import NetTypes
import TestSupport
import Testing

extension NetnsTests {
    @Suite struct DenyListTests {
        private func write(_ node: TestNode, _ name: String, _ lines: String) throws {
            try AtomicFile.write(Array(lines.utf8), to: node.directory.file("deny/\(name).list"))
        }

        @Test func `listed sources end at the device, counted by list`() throws {
            let node = try TestNode()
            defer { node.tearDown() }
            try Directory.create(node.directory.file("deny"))
            try write(node, "bad", "# of the 198.51.100.0/24 half\n198.51.100.0/25\n2001:db8:1::/120\n")
            try write(node, "worse", "198.51.100.200\n")
            try node.start(["--deny-lists", node.directory.file("deny"), "--xdp-device", World.device])
            let pod = try node.addPod("pod")
            let echo = try EchoServer(in: pod, tcp: [80])
            let daemon = try EchoServer(in: node.namespace, tcp: [80])
            defer {
                echo.stop()
                daemon.stop()
            }

            func outcomes(_ sources: [IPAddress], expected: Set<Int>) throws -> [Probe.Outcome] {
                let probes = sources.flatMap { source in
                    let destinations =
                        source.isIPv4
                        ? [pod.address4, World.nodeAddress4] : [pod.address6, World.nodeAddress6]
                    return destinations.map { destination in
                        var probe = Probe(.tcp(80), from: node.world.namespace, to: destination)
                        probe.from = source
                        return probe
                    }
                }
                return try Probe.outcomes(probes, expected: Set(expected.flatMap { [2 * $0, 2 * $0 + 1] }))
            }
            func lists() throws -> [String: DenyListInfo] {
                Dictionary(try node.client.denyLists().map { ($0.group, $0) }) { $1 }
            }
            try node.waitUntil("both lists") { try lists().count == 2 }
            let sources = World.others4 + World.others6 + [World.address4]
            let first = try outcomes(sources, expected: [3, 4])
            #expect(
                first == [.timedOut, .timedOut, .timedOut, .timedOut, .timedOut, .timedOut]
                    + [.connected, .connected, .connected, .connected])
            let counted = try lists()
            #expect(counted["bad"]?.prefixes4 == 1 && counted["bad"]?.prefixes6 == 1)
            #expect(counted["bad"]?.devices == [World.device])
            #expect((counted["bad"]?.droppedPackets ?? 0) >= 4)
            #expect((counted["worse"]?.droppedPackets ?? 0) >= 2)
            #expect(try node.skein(["denylist", "list"]).output.contains("worse"))

            // An edit and a list that goes away are followed.
            try AtomicFile.remove(node.directory.file("deny/worse.list"))
            try write(node, "bad", "192.0.2.2\n")
            try node.waitUntil("one list") {
                let lists = try lists()
                return lists.count == 1 && lists["bad"]?.prefixes6 == 0
            }
            let second = try outcomes(sources, expected: [0, 1, 2, 3])
            #expect(second.prefix(8).allSatisfy { $0 == .connected })
            #expect(second.suffix(2).allSatisfy { $0 == .timedOut })

            // A killed agent's list stays in force.
            try node.kill()
            #expect(try outcomes([World.address4], expected: []) == [.timedOut, .timedOut])
            try node.start()
            #expect(
                try outcomes([World.address4, World.others4[0]], expected: [1])
                    == [.timedOut, .timedOut, .connected, .connected])
        }

        @Test func `a list of a hundred thousand prefixes is in force`() throws {
            let node = try TestNode()
            defer { node.tearDown() }
            try Directory.create(node.directory.file("deny"))
            // 198.18.0.0/15 is for benchmarks (RFC 2544).
            let base = UInt32(198) << 24 | 18 << 16
            let lines = (0..<100_000).map { "\(IPAddress(v4: base + UInt32($0)))" } + ["198.51.100.10"]
            try write(node, "long", lines.joined(separator: "\n"))
            try node.start(["--deny-lists", node.directory.file("deny"), "--xdp-device", World.device])
            let pod = try node.addPod("pod")
            let echo = try EchoServer(in: pod, tcp: [80])
            defer { echo.stop() }
            try node.waitUntil("the list") { try node.client.denyLists().first?.prefixes4 == 100_001 }
            let outcomes = try World.others4.map { source in
                var probe = Probe(.tcp(80), from: node.world.namespace, to: pod.address4)
                probe.from = source
                return try probe.outcome(within: source == World.others4[0] ? Probe.silence : Probe.patience)
            }
            #expect(outcomes == [.timedOut, .connected])
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import FoundationEssentials
import Glibc
import NetTypes
import TestSupport
import Testing

private let rule = policyManifest(
    "web",
    """
    podSelector: {matchLabels: {app: server}}
    policyTypes: [Ingress]
    ingress:
    - from: [{podSelector: {matchLabels: {role: client}}}]
      ports: [{port: 80}]
    """)

extension NetnsTests {
    @Suite struct CommandLineTests {
        /// A table for a person; the same as JSON, decoded.
        private func ask<Reply: Decodable>(
            _ node: TestNode, _ arguments: [String], _ type: Reply.Type
        ) throws -> (table: String, reply: Reply) {
            let table = try node.skein(arguments)
            #expect(table.isSuccess, "\(arguments): \(table.errors)")
            #expect(table.errors.isEmpty)
            #expect(!table.output.hasPrefix("{") && !table.output.hasPrefix("["))
            let json = try node.skein(arguments + ["-o", "json"])
            #expect(json.isSuccess, "\(arguments): \(json.errors)")
            return (table.output, try JSONDecoder().decode(type, from: Data(json.output.utf8)))
        }

        @Test func `every command shows what is so, as a table and as JSON`() throws {
            try TestNode.with(manifests: ["rule": rule]) { node in
                let server = try node.addPod("server", labels: ["app": "server"])
                let client = try node.addPod("client", labels: ["role": "client"])
                let echo = try EchoServer(in: server, tcp: [80, 81])
                defer { echo.stop() }
                try expect(on: node, [allowed(.tcp(80), client, server), refused(.tcp(81), client, server)])

                let status = try ask(node, ["status"], AgentStatus.self)
                #expect(status.reply.ready && status.reply.endpoints["ready"] == 2 && status.reply.policies == 1)
                #expect(status.reply.pid == node.pid)
                #expect(status.reply.podRanges.map(\.used) == [2, 2])
                #expect(
                    status.table.contains("\(TestNode.range4)") && status.table.contains("no policy rule allows it"))

                let endpoints = try ask(node, ["endpoint", "list"], [EndpointInfo].self)
                #expect(endpoints.reply.map(\.podText) == ["default/server", "default/client"])
                #expect(endpoints.reply.map(\.enforceIngress) == [true, false])
                #expect(endpoints.reply[0].policies == ["NetworkPolicy default/web"])
                #expect(endpoints.table.contains("default/server") && endpoints.table.contains("\(client.address6)"))

                let identities = try ask(node, ["identity", "list"], [IdentityInfo].self)
                let identity = identities.reply.first { $0.podLabels == ["role": "client"] }
                #expect(identity?.number == endpoints.reply[1].identity)
                #expect(identities.table.contains("role=client"))

                let policies = try ask(node, ["policy", "list"], [PolicyInfo].self)
                #expect(policies.reply.map(\.name) == ["web"])
                #expect(policies.reply.first?.rules.first?.hits == 2)
                #expect(policies.table.contains("default/web"))

                let arguments = ["policy", "explain", "default/client", "default/server", "81/tcp"]
                let explained = try ask(node, arguments, Explanation.self)
                #expect(!explained.reply.allowed)
                #expect(explained.table.contains("refused") && explained.table.contains("default/server"))
                let allowed = try ask(node, Array(arguments.dropLast()) + ["80/tcp"], Explanation.self)
                #expect(allowed.reply.allowed)
                #expect(allowed.reply.steps.last?.rule == "NetworkPolicy default/web ingress rule 1")

                let maps = try ask(node, ["map", "list"], [MapInfo].self)
                for name in ["flows", "pods", "endpoints", "policy"] {
                    #expect(maps.reply.contains { $0.name == name })
                    #expect(maps.table.contains(name))
                    let dump = try ask(node, ["map", "dump", name], MapDump.self)
                    #expect(!dump.reply.rows.isEmpty, "\(name)")
                    #expect(dump.reply.rows.allSatisfy { $0.count == dump.reply.columns.count }, "\(name)")
                }
                let pods = try ask(node, ["map", "dump", "pods"], MapDump.self)
                #expect(pods.table.contains("\(server.address4)"))
                #expect(try ask(node, ["denylist", "list"], [DenyListInfo].self).reply.isEmpty)
            }
        }

        @Test func `the monitor shows connections and drops, as lines and as JSON`() throws {
            try TestNode.with(manifests: ["rule": rule]) { node in
                let server = try node.addPod("server", labels: ["app": "server"])
                let client = try node.addPod("client", labels: ["role": "client"])
                let echo = try EchoServer(in: server, tcp: [80])
                defer { echo.stop() }
                let lines = try node.startSkein(["monitor", "--pod", "default/client"])
                let monitor = try Monitor(node)
                let provoke = {
                    _ = try Probe(.tcp(80), from: client, to: server.address4).outcome()
                    _ = try Probe(.tcp(81), from: client, to: server.address6).outcome(within: .milliseconds(10))
                }
                let new = try monitor.wait(on: node, for: "a connection", provoking: provoke) { $0.kind == .new }
                #expect(new.source?.pod == "default/client" && new.destination?.port == 80)
                #expect(new.rule == "NetworkPolicy default/web ingress rule 1")
                let drop = try monitor.wait(on: node, for: "a drop", provoking: provoke) { $0.kind == .drop }
                #expect(drop.destination?.address == server.address6 && drop.destination?.port == 81)
                try node.waitUntil("lines for a person") {
                    try provoke()
                    let text = lines.output
                    return text.contains("allow") && text.contains("drop") && text.contains("default/server:81")
                }
                lines.send(SIGINT)
                #expect(lines.wait(timeout: .seconds(10)) != nil)
                let some = try node.startSkein(["monitor", "--drops", "--count", "2", "-o", "json"])
                try node.waitUntil("an end after two drops") {
                    try provoke()
                    return some.status == .code(0)
                }
                #expect(some.output.split(separator: "\n").count == 2)
            }
        }

        @Test func `a command without an agent says so`() throws {
            try TestNode.with { node in
                try node.kill()
                for arguments in [["status"], ["endpoint", "list", "-o", "json"], ["monitor"]] {
                    let result = try node.skein(arguments)
                    #expect(result.exit != .code(0))
                    #expect(result.errors.contains(node.socket), "\(result.errors)")
                    #expect(result.output.isEmpty)
                }
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import FoundationEssentials
import NetTypes
import TestSupport
import Testing

private let closed = "podSelector: {matchLabels: {app: server}}\npolicyTypes: [Ingress]\n"

private func admitting(_ role: String) -> String {
    policyManifest("rule", closed + "ingress: [{from: [{podSelector: {matchLabels: {role: \(role)}}}]}]")
}

extension NetnsTests {
    @Suite struct PolicyEditTests {
        @Test(arguments: [Probe.Kind.tcp(80), .udp(53)])
        func `an edit stops established connections and lets them go on, and spares others`(kind: Probe.Kind) throws {
            try TestNode.with { node in
                let server = try node.addPod("server", labels: ["app": "server"])
                let other = try node.addPod("other", labels: ["app": "other"])
                let client = try node.addPod("client", labels: ["role": "client"])
                let echoes = try [server, other].map { try EchoServer(in: $0, tcp: [80], udp: [53]) }
                defer { echoes.forEach { $0.stop() } }
                for destination in [server.address4, server.address6] {
                    let connection = try EchoConnection(kind, from: client, to: destination)
                    #expect(try connection.ping())
                    let address = destination.isIPv4 ? other.address4 : other.address6
                    let untouched = try Traffic(over: try EchoConnection(kind, from: client, to: address))
                    #expect(untouched.waitForMore(10))

                    let before = try node.drops()[DropReason.noRuleAllows.rawValue] ?? 0
                    try node.write(manifest: admitting("nobody"), "rule")
                    try node.waitUntil(from: "default/client", to: "default/server", "80/tcp", isAllowed: false)
                    #expect(try !connection.ping(within: Probe.silence))
                    try node.waitForDrops(.noRuleAllows, above: before)

                    try node.write(manifest: admitting("client"), "rule")
                    try node.waitUntil(from: "default/client", to: "default/server", "80/tcp", isAllowed: true)
                    #expect(try connection.ping())

                    // Gone altogether, which opens the server.
                    try node.remove(manifest: "rule")
                    try node.waitForPolicy("default/rule", isThere: false)
                    #expect(try connection.ping())
                    #expect(untouched.waitForMore(10))
                    let report = untouched.stop()
                    #expect(report.lost == 0)
                    #expect(report.error == nil)
                    if kind == .tcp(80) { #expect(untouched.lostSegments == 0) }
                }
            }
        }

        @Test func `a broken manifest is reported and changes nothing`() throws {
            try TestNode.with(manifests: ["rule": admitting("client")]) { node in
                let server = try node.addPod("server", labels: ["app": "server"])
                let client = try node.addPod("client", labels: ["role": "client"])
                let stranger = try node.addPod("stranger", labels: ["role": "stranger"])
                let echo = try EchoServer(in: server, tcp: [80])
                defer { echo.stop() }
                let connection = try EchoConnection(.tcp(80), from: client, to: server.address4)

                let broken = policyManifest("rule", closed + "ingress: [{ports: [{port: 90000}]}]")
                try node.write(manifest: broken, "rule")
                try node.waitUntil("the error in the status") {
                    let result = try node.skein(["status", "-o", "json"])
                    let status = try JSONDecoder().decode(AgentStatus.self, from: Data(result.output.utf8))
                    guard let error = status.manifestErrors.first else { return false }
                    #expect(error.file.hasSuffix("rule.yaml"))
                    #expect(error.object == "NetworkPolicy default/rule")
                    #expect(error.field == "spec.ingress[0].ports[0].port")
                    #expect(error.line == 7)
                    return true
                }
                #expect(try connection.ping())
                try expect(on: node, [allowed(.tcp(80), client, server), refused(.tcp(80), stranger, server)])

                // The rest of the folder goes on being read.
                try node.write(manifest: podManifest("stranger", labels: ["role": "client"]), "stranger")
                try node.waitUntil(from: "default/stranger", to: "default/server", "80/tcp", isAllowed: true)
                try expect(on: node, [allowed(.tcp(80), stranger, server)])
                try node.write(manifest: admitting("client"), "rule")
                try node.waitUntil("no error any more") { try node.client.status().manifestErrors.isEmpty }
            }
        }

        @Test func `a pod's labels in its manifest decide from one moment to the next`() throws {
            let pod = podManifest("client", labels: ["role": "client"])
            try TestNode.with(manifests: ["rule": admitting("client"), "client": pod]) { node in
                let server = try node.addPod("server", labels: ["app": "server"])
                // The runtime's labels are not those that hold.
                let client = try node.addPod("client", labels: ["role": "nobody"])
                let echo = try EchoServer(in: server, tcp: [80])
                defer { echo.stop() }
                let connection = try EchoConnection(.tcp(80), from: client, to: server.address6)
                #expect(try connection.ping())

                try node.write(manifest: podManifest("client", labels: ["role": "other"]), "client")
                try node.waitUntil(from: "default/client", to: "default/server", "80/tcp", isAllowed: false)
                #expect(try !connection.ping(within: Probe.silence))
                try expect(on: node, [refused(.tcp(80), client, server)])

                try node.write(manifest: pod, "client")
                try node.waitUntil(from: "default/client", to: "default/server", "80/tcp", isAllowed: true)
                #expect(try connection.ping())
            }
        }
    }
}

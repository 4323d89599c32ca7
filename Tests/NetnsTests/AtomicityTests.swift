// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import NetTypes
import TestSupport
import Testing

extension NetnsTests {
    /// Two versions of a set of policies that say the same of some connections by different rules, and different things of
    /// others: whatever half of a change would show in those that are the same.
    @Suite struct AtomicityTests {
        /// In both: a and b may call 80, nobody may call 81, c may call nothing. They differ in who says so and in the rest.
        private static let versions = [
            policyManifest(
                "rules",
                """
                podSelector: {matchLabels: {app: server}}
                policyTypes: [Ingress]
                ingress:
                - from: [{podSelector: {matchLabels: {who: a}}}]
                  ports: [{port: 80, protocol: UDP}, {port: 82, protocol: UDP}]
                - from: [{podSelector: {matchLabels: {who: b}}}]
                  ports: [{port: 80, protocol: UDP}]
                - from: [{podSelector: {matchLabels: {who: d}}}]
                  ports: [{port: 81, protocol: UDP}]
                """),
            policyManifest(
                "rules",
                """
                podSelector: {matchLabels: {app: server}}
                policyTypes: [Ingress]
                ingress:
                - from: [{podSelector: {matchExpressions: [{key: who, operator: In, values: [b]}]}}]
                  ports: [{port: 80, endPort: 80, protocol: UDP}, {port: 82, protocol: UDP}]
                - from: [{podSelector: {matchExpressions: [{key: who, operator: NotIn, values: [b, c]}]}}]
                  ports: [{port: 70, endPort: 80, protocol: UDP}]
                """),
        ]

        @Test func `no packet is judged by half of a change`() throws {
            try TestNode.with(manifests: ["rules": Self.versions[0]]) { node in
                let server = try node.addPod("server", labels: ["app": "server"])
                let (a, b, c) = (
                    try node.addPod("a", labels: ["who": "a"]), try node.addPod("b", labels: ["who": "b"]),
                    try node.addPod("c", labels: ["who": "c"])
                )
                let echo = try EchoServer(in: server, udp: [80, 81, 82])
                defer { echo.stop() }
                // Of both versions: each answered at once, and never lost.
                let steady = try [a, b].flatMap { pod in
                    try server.addresses.map { destination in
                        try Traffic(
                            over: try EchoConnection(.udp(80), from: pod, to: destination),
                            patience: .seconds(5), pause: .zero)
                    }
                }
                // Of neither: new connections and old ones that are never answered.
                let forbidden = try [(a, UInt16(81)), (b, 81), (c, 80), (c, 82)].flatMap { pod, port in
                    try server.addresses.map { destination in
                        try Traffic(
                            over: try EchoConnection(.udp(port), from: pod, to: destination),
                            patience: .milliseconds(1), pause: .zero)
                    }
                }
                let client = node.client
                var openings = 0
                for flip in 1...60 {
                    let version = flip % 2
                    try node.write(manifest: Self.versions[version], "rules")
                    try node.waitUntil(
                        from: "default/\(version == 1 ? "b" : "a")", to: "default/server", "82/udp", isAllowed: true)
                    // Connections that begin amid all this.
                    let probes = server.addresses.flatMap { destination in
                        [a, b].map { Probe(.udp(80), from: $0, to: destination) }
                    }
                    #expect(try Probe.outcomes(probes) == [.connected, .connected, .connected, .connected])
                    openings += probes.count
                }
                #expect(try client.status().counters.rejudgedFlows > 60)
                for one in steady {
                    let report = one.stop()
                    #expect(report.lost == 0)
                    #expect(report.error == nil)
                    #expect(report.exchanges > openings)
                }
                for one in forbidden {
                    let report = one.stop()
                    #expect(report.exchanges + one.lateAnswers == 0)
                    #expect(report.error == nil)
                    #expect(report.lost > 60)
                }
            }
        }
    }
}

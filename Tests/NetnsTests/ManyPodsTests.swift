// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import NetTypes
import Netlink
import TestSupport
import Testing

extension NetnsTests {
    @Suite struct ManyPodsTests {
        /// Of five groups; each is called by the next one, on port 80 alone.
        private static func rules() -> String {
            (0..<5).map { group in
                policyManifest(
                    "group-\(group)",
                    """
                    podSelector: {matchLabels: {group: "\(group)"}}
                    policyTypes: [Ingress]
                    ingress:
                    - from: [{podSelector: {matchLabels: {group: "\((group + 1) % 5)"}}}]
                      ports: [{port: 80}, {port: 80, protocol: UDP}]
                    """)
            }.joined(separator: "---\n")
        }

        @Test func `a hundred pods come at once, keep their rules, and go without a trace`() throws {
            raiseDescriptorLimit()
            try TestNode.with(manifests: ["rules": Self.rules()]) { node in
                let before = try node.traces()
                let pods = try (0..<100).map {
                    try TestPod(on: node, "pod-\($0)", labels: ["group": "\($0 % 5)"])
                }
                let added = try pods.map { try $0.call("ADD").start(on: node) }.map { PluginOutcome(of: $0) }
                for (pod, outcome) in zip(pods, added) {
                    guard outcome.isSuccess else { throw PluginFailure("ADD", outcome) }
                    pod.take(outcome)
                }
                #expect(Set(pods.flatMap(\.addresses)).count == 200)
                #expect(try node.client.endpoints().count == 100)
                #expect(try node.client.status().podRanges.allSatisfy { $0.used == 100 })

                let servers = try pods.map { try EchoServer(in: $0, tcp: [80, 81], udp: [80]) }
                defer { servers.forEach { $0.stop() } }
                var generator = SplitMix64(seed: 100)
                let questions = (0..<600).map { _ in
                    let (caller, called) = (
                        Int.random(in: 0..<100, using: &generator), Int.random(in: 0..<100, using: &generator)
                    )
                    let kind =
                        [Probe.Kind.tcp(80), .tcp(81), .udp(80), .ping].randomElement(using: &generator) ?? .ping
                    let isAllowed =
                        caller == called
                        || (caller % 5 == (called % 5 + 1) % 5 && (kind == .tcp(80) || kind == .udp(80)))
                    let destination = generator.oneIn(2) ? pods[called].address4 : pods[called].address6
                    return Expectation(
                        probe: Probe(kind, from: pods[caller], to: destination), isAllowed: isAllowed,
                        isLocal: caller == called)
                }
                for start in stride(from: 0, to: questions.count, by: 200) {
                    try expect(on: node, [Array(questions[start..<start + 200])])
                }
                servers.forEach { $0.stop() }

                let deleted = try pods.map { try $0.call("DEL").start(on: node) }.map { PluginOutcome(of: $0) }
                for outcome in deleted { #expect(outcome.isSuccess, "\(outcome.output)") }
                #expect(try node.traces() == before)
                for pod in pods { #expect(try pod.namespace.netlink { try $0.links() }.map(\.name) == ["lo"]) }

                // What was used comes last, also after a restart.
                let used = Set(pods.flatMap(\.addresses))
                #expect(used.isDisjoint(with: try node.addPod("late").addresses))
                try node.restart()
                #expect(used.isDisjoint(with: try node.addPod("later").addresses))
            }
        }

        @Test func `ADDs amid which the agent dies come to an end or leave nothing`() throws {
            try TestNode.with { node in
                // Sooner and later in the rush.
                for count in [1, 4, 12] {
                    let before = try node.traces()
                    let pods = try (0..<24).map { try TestPod(on: node, "pod-\($0)") }
                    let whole = try Self.addAll(pods, killingAgentAt: count)
                    try node.start()
                    #expect(Set(try node.client.endpoints().map(\.podName)) == whole)
                    #expect(try node.client.status().podRanges.allSatisfy { $0.used == whole.count })
                    for pod in pods where !whole.contains(pod.name) { try pod.add() }
                    try expect(on: node, pods.map { allowed(.ping, from: node.namespace, to: $0.addresses) })
                    #expect(Set(pods.flatMap(\.addresses)).count == 48)
                    for pod in pods { try pod.del() }
                    #expect(try node.traces() == before)
                }
            }
        }

        /// Begins all ADDs at once and kills the agent when so many are through. Gives the names of the pods whose ADD
        /// succeeded; the others have to have nothing.
        private static func addAll(_ pods: [TestPod], killingAgentAt count: Int) throws -> Set<String> {
            let node = pods[0].node
            let calls = try pods.map { try $0.call("ADD").start(on: node) }
            let client = node.client
            try node.waitUntil("some pods") { try client.status().endpoints["ready"] ?? 0 >= count }
            try node.kill()
            var whole: Set<String> = []
            for (pod, outcome) in zip(pods, calls.map({ PluginOutcome(of: $0) })) {
                if outcome.isSuccess {
                    whole.insert(pod.name)
                    pod.take(outcome)
                } else {
                    #expect(outcome.error?.code == 11, "\(outcome.output)")
                    #expect(try pod.namespace.netlink { try $0.links() }.map(\.name) == ["lo"])
                }
            }
            #expect(try node.traces().devices.count == whole.count)
            return whole
        }
    }
}

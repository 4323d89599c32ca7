// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

/// What a change costs, in writes.
@Suite struct WriteCountTests {
    private static let namespace = Namespace(name: "default")

    private static func labels(_ pod: Labels) -> SecurityLabels {
        SecurityLabels(namespace: "default", namespace, podLabels: pod)
    }

    private static func address(_ number: UInt32) -> IPAddress { IPAddress(v4: 0x0a00_0000 + number) }

    /// Fifty kinds of pods, five endpoints, ten policies with rules for one kind each.
    private static func compiler() -> PolicyCompiler {
        var compiler = PolicyCompiler()
        for number in 1...50 {
            compiler.stage(.pod(labels(["app": "app\(number)"]), namedPorts: []), at: address(UInt32(number)))
        }
        for number in 1...5 {
            compiler.stage(
                PolicyEndpoint(
                    number: UInt16(number), addresses: [address(1000 + UInt32(number))],
                    labels: labels(["server": "server\(number)"])))
        }
        for number in 1...10 { compiler.stage(policy("policy\(number)", server: nil, from: "app\(number)")) }
        _ = compiler.commit()
        return compiler
    }

    private static func policy(_ name: String, server: String?, from app: String) -> PolicyObject {
        PolicyObject(
            NetworkPolicy(
                namespace: "default", name: name,
                podSelector: LabelSelector(matchLabels: server.map { ["server": $0] } ?? [:]),
                ingress: [
                    NetworkPolicy.IngressRule(
                        from: [NetworkPolicy.Peer(podSelector: LabelSelector(matchLabels: ["app": app]))],
                        ports: [NetworkPolicy.Port(port: .number(80))])
                ]))
    }

    @Test func `a remote pod of a known kind costs one row of the pods table`() {
        var compiler = Self.compiler()
        compiler.stage(.pod(Self.labels(["app": "app3"]), namedPorts: []), at: Self.address(500))
        let changes = compiler.commit()
        #expect(changes.peers.count == 1)
        #expect(changes.writeCount == 1)
    }

    @Test func `a pod with other labels that the selectors see alike costs one class word more`() {
        var compiler = Self.compiler()
        let labels = Self.labels(["app": "app3", "pod-template-hash": "1234"])
        compiler.stage(.pod(labels, namedPorts: []), at: Self.address(500))
        let changes = compiler.commit()
        #expect(changes.peers.count == 1 && changes.classWords.count == 1)
        #expect(changes.writeCount == 2)
    }

    @Test func `a local pod of a known kind costs its rows and its view, and shares the policy`() {
        var compiler = Self.compiler()
        compiler.stage(
            PolicyEndpoint(
                number: 9, addresses: [Self.address(501), IPAddress(high: 0xfd00 << 48, low: 501)],
                labels: Self.labels(["server": "server2"])))
        let changes = compiler.commit()
        #expect(changes.peers.count == 2 && changes.views.count == 1 && changes.addedRows.isEmpty)
        #expect(changes.writeCount == 3)
        #expect(changes.views.first?.view.policy == compiler.policy(ofEndpoint: 2))
    }

    @Test func `a policy for one endpoint leaves the others' views and rows alone`() {
        var compiler = Self.compiler()
        let stranger = compiler.policy(ofEndpoint: 1)
        compiler.stage(Self.policy("extra", server: "server2", from: "app20"))
        let changes = compiler.commit()
        #expect(changes.views.map(\.endpoint) == [2])
        #expect(changes.classWords.count == 1, "app20 leaves class 0")
        #expect(changes.removedRows.isEmpty && changes.peers.isEmpty)
        let policy = compiler.policy(ofEndpoint: 2)
        #expect(changes.addedRows.allSatisfy { $0.key.policy == policy }, "app20 means nothing to older policies")
        #expect(changes.addedRows.count == 11)
        #expect(compiler.policy(ofEndpoint: 1) == stranger)
    }

    @Test func `a policy that selects no endpoint of this node costs nothing`() {
        var compiler = Self.compiler()
        let before = compiler.statistics
        compiler.stage(Self.policy("elsewhere", server: "none", from: "app30"))
        #expect(compiler.commit().isEmpty)
        #expect(compiler.statistics.selectors == before.selectors)
        #expect(compiler.statistics.objects == before.objects + 1)
    }

    @Test func `the bigger part of a divided class keeps its number`() {
        var compiler = PolicyCompiler()
        for number in 1...40 {
            let labels: Labels = ["app": "web", "rare": number == 7 ? "yes" : "no", "number": "\(number)"]
            compiler.stage(.pod(Self.labels(labels), namedPorts: []), at: Self.address(UInt32(number)))
        }
        compiler.stage(
            PolicyEndpoint(number: 1, addresses: [Self.address(1000)], labels: Self.labels(["server": "a"])))
        compiler.stage(Self.policy("web", server: nil, from: "web"))
        #expect(compiler.commit().classWords.count == 40)
        for (value, words) in [("no", 1), ("yes", 0)] {
            var policy = Self.policy(value, server: nil, from: "web")
            policy.rules[0].peers = [
                .pods(PodSelector(namespaces: .named("default"), pods: LabelSelector(matchLabels: ["rare": value])))
            ]
            compiler.stage(policy)
            #expect(compiler.commit().classWords.count == words)
        }
    }

    @Test(arguments: [true, false])
    func `a port's name divides only the pods that its rule's peers match`(podsFirst: Bool) {
        var compiler = PolicyCompiler()
        compiler.stage(
            PolicyEndpoint(number: 1, addresses: [Self.address(1000)], labels: Self.labels(["server": "a"])))
        let policy = PolicyObject(
            NetworkPolicy(
                namespace: "default", name: "out",
                egress: [
                    .init(
                        to: [.init(podSelector: LabelSelector(matchLabels: ["app": "web"]))],
                        ports: [.init(port: .name("http"))])
                ]))
        if !podsFirst { compiler.stage(policy) }
        _ = compiler.commit()
        for number in UInt32(1)...9 {
            let port = NamedPort(name: "http", protocol: .tcp, port: UInt16(80 + number % 3))
            compiler.stage(
                .pod(Self.labels(["app": number < 6 ? "web" : "db"]), namedPorts: [port]), at: Self.address(number))
        }
        _ = compiler.commit()
        compiler.stage(policy)
        _ = compiler.commit()
        #expect(compiler.statistics.classes == 4, "three numbers of web's, and class 0")
    }
}

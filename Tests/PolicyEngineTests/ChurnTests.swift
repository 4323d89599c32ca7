// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

@Suite struct ChurnTests {
    private static func address(_ number: UInt32) -> IPAddress { IPAddress(v4: 0x0a00_0000 + number) }

    private static func labels(_ labels: Labels) -> SecurityLabels {
        SecurityLabels(namespace: "default", nil, podLabels: labels)
    }

    /// Never the same twice: a selector, a block and a port name of its own each.
    private static func policy(_ number: Int) -> PolicyObject {
        let reference = ObjectReference(kind: "NetworkPolicy", namespace: "default", name: "policy\(number)")
        let labels = LabelSelector(matchExpressions: [
            .init(key: "app", operator: .in, values: ["app\(number % 40)", "app\(number % 17)", "none\(number)"])
        ])
        let block = AddressBlock(Prefix(host: address(UInt32(number % 60_000))))
        var peers: [PeerSelector] = [.pods(PodSelector(namespaces: .named("default"), pods: labels))]
        if number % 4 == 0 { peers.append(.addresses(block)) }
        return PolicyObject(
            reference: reference, subject: PodSelector(namespaces: .named("default")), defaultDeny: [.ingress],
            rules: [
                PolicyRule(
                    action: .allow, direction: .ingress, peers: peers, ports: nil,
                    origin: RuleOrigin(object: reference, direction: .ingress, index: 0)),
                PolicyRule(
                    action: .allow, direction: .egress, peers: number % 4 == 1 ? peers : nil,
                    ports: [.named(.tcp, "http")],
                    origin: RuleOrigin(object: reference, direction: .egress, index: 0)),
            ])
    }

    private static func compiler() -> PolicyCompiler {
        var compiler = PolicyCompiler()
        for number in 1...40 {
            let ports = [NamedPort(name: "http", protocol: .tcp, port: number % 2 == 0 ? 80 : 8080)]
            compiler.stage(
                .pod(labels(["app": "app\(number)"]), namedPorts: ports), at: address(UInt32(number)))
        }
        compiler.stage(PolicyEndpoint(number: 1, addresses: [address(100)], labels: labels(["server": "a"])))
        _ = compiler.commit()
        return compiler
    }

    @Test func `a hundred thousand additions and removals of policies leave nothing behind`() {
        let batch = 50
        var compiler = Self.compiler()
        let empty = compiler.statistics
        var full: PolicyStatistics?
        for round in 0..<1000 {
            for number in round * batch..<(round + 1) * batch {
                compiler.stage(Self.policy(number))
                if round > 0 { compiler.stageRemoval(of: Self.policy(number - batch).reference) }
            }
            _ = compiler.commit()
            if round == 20 { full = compiler.statistics }
        }
        let last = compiler.statistics
        // What a batch needs varies with which labels meet in it; what 980 more leave would be far more than that.
        if let full {
            #expect(last.slotBound <= full.slotBound + 100)
            #expect(last.classBound <= full.classBound + 200)
            #expect(last.selectorBound <= full.selectorBound + 400)
        }
        #expect(last.cookies == 2 * batch)
        for number in 999 * batch..<1000 * batch { compiler.stageRemoval(of: Self.policy(number).reference) }
        _ = compiler.commit()
        _ = compiler.commit(collecting: true)
        let left = compiler.statistics
        #expect(left.classes == empty.classes && left.slots == empty.slots && left.prefixes == empty.prefixes)
        #expect(left.selectors == 0 && left.cookies == 0 && left.policies == 1)
    }

    @Test func `policies that come and go one by one leave nothing behind`() {
        var compiler = Self.compiler()
        var state = TableState()
        state.apply(compiler.snapshot())
        for number in 0..<1500 {
            compiler.stage(Self.policy(number))
            state.apply(compiler.commit())
            compiler.stageRemoval(of: Self.policy(number).reference)
            state.apply(compiler.commit())
        }
        #expect(compiler.statistics.classBound < 60)
        #expect(compiler.statistics.slotBound < 60)
        #expect(compiler.statistics.selectorBound < 40)
        #expect(state.rows.isEmpty)
        #expect(state.prefixes.count <= 1)
    }

    @Test func `pods that come and go leave nothing behind`() {
        var compiler = Self.compiler()
        compiler.stage(Self.policy(1))
        _ = compiler.commit()
        let before = compiler.statistics
        for number in UInt32(0)..<5000 {
            let labels = Self.labels(["app": "app\(number % 50)", "hash": "\(number)"])
            let ports = [NamedPort(name: "http", protocol: .tcp, port: UInt16(truncatingIfNeeded: 1 + number))]
            compiler.stage(.pod(labels, namedPorts: ports), at: Self.address(200 + number % 20))
            if number % 3 == 0 { compiler.stage(nil, at: Self.address(200 + number % 11)) }
            _ = compiler.commit()
        }
        for number in UInt32(0)..<20 { compiler.stage(nil, at: Self.address(200 + number)) }
        _ = compiler.commit()
        let after = compiler.statistics
        #expect(after.identities == before.identities && after.slots == before.slots)
        #expect(after.classes == before.classes && after.selectors == before.selectors)
        #expect(after.classBound < before.classBound + 80)
        #expect(after.slotBound < before.slotBound + 80)
        #expect(after.selectorBound < before.selectorBound + 80)
    }

    @Test func `a policy that replaces another of the same selectors divides and joins nothing`() {
        var compiler = Self.compiler()
        compiler.stage(Self.policy(1))
        _ = compiler.commit()
        let before = compiler.statistics
        for _ in 0..<5 {
            compiler.stageRemoval(of: Self.policy(1).reference)
            _ = compiler.commit()
            compiler.stage(Self.policy(1))
            let changes = compiler.commit()
            #expect(changes.classWords.isEmpty && changes.prefixes.isEmpty && changes.peers.isEmpty)
        }
        #expect(compiler.statistics == before)
    }
}

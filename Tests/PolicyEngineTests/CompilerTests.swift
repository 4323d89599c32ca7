// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

@Suite struct CompilerTests {
    @Test(arguments: 0..<24)
    func `compiled tables say what the reference says`(block: Int) {
        for seed in UInt64(block * 15)..<UInt64(block * 15 + 15) {
            var generator = ClusterGenerator(seed: seed)
            let cluster = generator.cluster(pods: 2 + Int(seed % 13), policies: 1 + Int(seed % 9))
            for policy in cluster.policies.values {
                #expect(policy.validate().isEmpty, "seed \(seed): the generator must make valid policies")
            }
            let (_, state) = cluster.compiled()
            let reference = Reference(cluster: cluster)
            for query in generator.queries(cluster, count: 120) {
                let judgement = query.judge(state)
                guard judgement.isAllowed != reference.allows(query) else { continue }
                Issue.record("seed \(seed): \(query): compiled \(judgement)")
                return
            }
        }
    }

    @Test(arguments: 0..<8)
    func `an explanation agrees with the tables and names the rule whose cookie decides`(block: Int) {
        for seed in UInt64(1000 + block * 10)..<UInt64(1000 + block * 10 + 10) {
            var generator = ClusterGenerator(seed: seed)
            let cluster = generator.cluster(pods: 8, policies: 6)
            let (compiler, state) = cluster.compiled()
            for query in generator.queries(cluster, count: 60) {
                // Remote ends are explained too, but judged elsewhere.
                let ends = [query.source, query.destination].map { state.peers[$0] }
                guard ends.allSatisfy({ $0.map { $0.endpoint != 0 } ?? true }) else { continue }
                guard let difference = query.difference(compiler, state) else { continue }
                Issue.record("seed \(seed): \(difference)")
                return
            }
        }
    }

    @Test func `rows are canonical: sorted, disjoint, merged, and none repeats its base or class 0`() {
        for seed in UInt64(2000)..<2060 {
            var generator = ClusterGenerator(seed: seed)
            let (_, state) = generator.cluster(pods: 10, policies: 8).compiled()
            for (key, row) in state.rows {
                #expect(row.ports.allSatisfy { $0.verdict != row.base && $0.protocol != 0 }, "seed \(seed): \(row)")
                for (a, b) in zip(row.ports, row.ports.dropFirst()) {
                    let inOrder = (a.protocol, a.ports.last) < (b.protocol, b.ports.first)
                    let touches = a.protocol == b.protocol && Int(a.ports.last) + 1 == Int(b.ports.first)
                    let couldMerge = touches && a.verdict == b.verdict
                    #expect(inOrder && !couldMerge, "seed \(seed): \(row)")
                }
                let general = PolicyRowKey(policy: key.policy, classID: 0, direction: key.direction)
                let other = key.classID == 0 ? .defaultDeny : state.rows[general] ?? .defaultDeny
                #expect(row != other, "seed \(seed): \(key) needs no row")
            }
        }
    }
}

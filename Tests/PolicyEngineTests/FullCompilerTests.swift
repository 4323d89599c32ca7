// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

/// Policies of all kinds together.
@Suite struct FullCompilerTests {
    private static func cluster(_ generator: inout ClusterGenerator, seed: UInt64) -> Cluster {
        var cluster = generator.cluster(pods: 2 + Int(seed % 13), policies: Int(seed % 4))
        generator.addEntities(to: &cluster)
        for _ in 0..<1 + Int(seed % 7) { generator.addOther(to: &cluster) }
        return cluster
    }

    @Test(arguments: 0..<40)
    func `compiled tables say what the reference says`(block: Int) {
        var refusals = 0
        for seed in UInt64(20_000 + block * 15)..<UInt64(20_000 + block * 15 + 15) {
            var generator = ClusterGenerator(seed: seed)
            let cluster = Self.cluster(&generator, seed: seed)
            for policy in cluster.skeinPolicies.values {
                #expect(policy.validate() == [], "seed \(seed): the generator must make valid policies")
            }
            for policy in cluster.clusterPolicies.values { #expect(policy.validate() == [], "seed \(seed)") }
            let (_, state) = cluster.compiled()
            let reference = FullReference(cluster: cluster)
            for query in generator.queries(cluster, count: 120) {
                let judgement = query.judge(state)
                refusals += judgement.isAllowed ? 0 : 1
                guard judgement.isAllowed != reference.allows(query) else { continue }
                Issue.record("seed \(seed): \(query): compiled \(judgement)")
                return
            }
        }
        #expect((200...1600).contains(refusals), "too one-sided to show much")
    }

    @Test(arguments: 0..<12)
    func `an explanation agrees with the tables and names the rule whose cookie decides`(block: Int) {
        for seed in UInt64(21_000 + block * 10)..<UInt64(21_000 + block * 10 + 10) {
            var generator = ClusterGenerator(seed: seed)
            let cluster = Self.cluster(&generator, seed: seed)
            let (compiler, state) = cluster.compiled()
            for query in generator.queries(cluster, count: 80) {
                // Remote ends are explained too, but judged elsewhere; and this node reaches its pods by the kernel's say.
                let ends = [query.source, query.destination].map { state.peers[$0] }
                guard ends.allSatisfy({ $0.map { $0.endpoint != 0 || !$0.isPod } ?? true }) else { continue }
                guard state.peers[query.source]?.isHost != true else { continue }
                guard let difference = query.difference(compiler, state) else { continue }
                Issue.record("seed \(seed): \(difference)")
                return
            }
        }
    }
}

extension PeerEntry {
    /// With labels: a pod, wherever it is.
    fileprivate var isPod: Bool { identity >= IdentityAllocator.range.lowerBound }
}

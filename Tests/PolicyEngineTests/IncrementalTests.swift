// SPDX-License-Identifier: Apache-2.0

import NetTypes
import PolicyEngine
import Testing

@Suite struct IncrementalTests {
    @Test(arguments: UInt64(5000)..<5060)
    func `after every commit the tables are those that its snapshot says, and say what the reference says`(
        seed: UInt64
    ) {
        var walk = Walk(seed: seed, pods: 8, policies: 4, others: seed % 2 == 0 ? 0 : 3)
        for step in 0..<40 {
            for _ in 0..<walk.generator.random.pick([1, 1, 2, 4]) { walk.change() }
            walk.state.apply(walk.compiler.commit(collecting: walk.generator.random.chance(20)))
            walk.settle()
            var snapshot = TableState()
            snapshot.apply(walk.compiler.snapshot())
            guard walk.state.agrees(with: snapshot) else {
                Issue.record("seed \(seed), step \(step): tables and snapshot differ")
                return
            }
            // As after a repair, and after a restart.
            if step % 5 == 4 { walk.state = snapshot }
            let reference = FullReference(cluster: walk.cluster)
            for query in walk.generator.queries(walk.cluster, count: 40) {
                guard query.judge(walk.state).isAllowed != reference.allows(query) else { continue }
                Issue.record("seed \(seed), step \(step): \(query): \(query.judge(walk.state))")
                return
            }
        }
    }

    @Test(arguments: UInt64(6000)..<6020)
    func `many changes lead to the verdicts and to no more classes than one compilation of the result`(seed: UInt64) {
        var walk = Walk(seed: seed, pods: 10, policies: 6, others: seed % 2 == 0 ? 0 : 5)
        for _ in 0..<60 {
            walk.change()
            walk.state.apply(walk.compiler.commit())
            walk.settle()
        }
        walk.state.apply(walk.compiler.commit(collecting: true))
        let (fresh, freshState) = walk.cluster.compiled()
        #expect(walk.compiler.statistics.classes == fresh.statistics.classes)
        #expect(walk.compiler.statistics.selectors == fresh.statistics.selectors)
        #expect(walk.compiler.statistics.policies == fresh.statistics.policies)
        #expect(walk.compiler.statistics.cookies == fresh.statistics.cookies)
        #expect(walk.state.rows.count == freshState.rows.count)
        #expect(Set(walk.state.prefixes.keys) == Set(freshState.prefixes.keys))
        for query in walk.generator.queries(walk.cluster, count: 300) {
            let (a, b) = (query.judge(walk.state), query.judge(freshState))
            #expect(a.verdict.verdict == b.verdict.verdict && a.direction == b.direction, "seed \(seed): \(query)")
            let origins = (walk.compiler.origin(of: a.verdict.cookie), fresh.origin(of: b.verdict.cookie))
            #expect(origins.0 == origins.1, "seed \(seed): \(query)")
        }
    }

    @Test func `a commit without changes writes nothing, nor does staging what is already so`() {
        var walk = Walk(seed: 1, pods: 12, policies: 10)
        #expect(walk.compiler.commit().isEmpty)
        walk.cluster.stageAll(in: &walk.compiler)
        #expect(walk.compiler.commit().isEmpty)
        #expect(walk.compiler.commit(collecting: true).isEmpty)
    }

    @Test func `everything removed leaves empty tables`() {
        var wasGarbage = false
        for seed in UInt64(7000)..<7010 {
            var walk = Walk(seed: seed, pods: 12, policies: 10, others: seed % 2 == 0 ? 0 : 6)
            for reference in walk.cluster.references { walk.compiler.stageRemoval(of: reference) }
            for inhabitant in walk.cluster.pods.values { walk.cluster.unstage(inhabitant, in: &walk.compiler) }
            for address in walk.cluster.allAddresses { walk.compiler.stage(nil, at: address) }
            walk.state.apply(walk.compiler.commit())
            wasGarbage = wasGarbage || walk.compiler.hasGarbage
            walk.state.apply(walk.compiler.commit(collecting: true))
            let isGarbage = walk.compiler.hasGarbage
            #expect(!isGarbage)
            #expect(walk.state.rows.isEmpty && walk.state.peers.isEmpty && walk.state.prefixes.isEmpty)
            let left = walk.compiler.statistics
            #expect(left.classes == 1 && left.slots == 3 && left.selectors == 0 && left.identities == 0)
            #expect(left.policies == 0 && left.cookies == 0 && left.objects == 0 && left.endpoints == 0)
        }
        #expect(wasGarbage)
    }
}

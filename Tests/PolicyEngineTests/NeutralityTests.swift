// SPDX-License-Identifier: Apache-2.0

import Model
import NetTypes
import PolicyEngine
import Testing

/// No packet is judged by half of a change.
@Suite struct NeutralityTests {
    @Test(arguments: UInt64(8000)..<8048)
    func `until the switch every verdict is the old one, from it on the new one, after each single write`(
        seed: UInt64
    ) {
        var walk = Walk(seed: seed, pods: 9, policies: 5, others: seed % 4 < 2 ? 0 : 4)
        for step in 0..<14 {
            // Half of the walks change policies alone: then nothing at all may differ on the way.
            for _ in 0..<walk.generator.random.pick([1, 2, 3]) { walk.change(seed % 2 == 0 ? .policiesOnly : .all) }
            let changeset = walk.compiler.commit(collecting: walk.generator.random.chance(25))
            let queries = walk.generator.queries(walk.cluster, count: 60).filter {
                !walk.changedAddresses.contains($0.source) && !walk.changedAddresses.contains($0.destination)
            }
            let before = queries.map { $0.judge(walk.state) }
            var end = walk.state
            end.apply(changeset)
            let after = queries.map { $0.judge(end) }

            var isSwitched = changeset.views.isEmpty
            for write in changeset.steps {
                walk.state.apply(write)
                if case .switchViews = write { isSwitched = true }
                let wanted = isSwitched && !changeset.views.isEmpty ? after : before
                for (query, wanted) in zip(queries, wanted) where query.judge(walk.state) != wanted {
                    let found = query.judge(walk.state)
                    Issue.record("seed \(seed), step \(step), \(write): \(query): \(found), not \(wanted)")
                    return
                }
            }
            #expect(isSwitched)
            walk.settle()
        }
    }

    @Test func `a range that goes is like what is around it until it is gone`() throws {
        func block(_ text: String) throws -> AddressBlock { AddressBlock(try #require(Prefix(text))) }
        func object(_ name: String, _ blocks: [AddressBlock]) -> PolicyObject {
            let reference = ObjectReference(kind: "Policy", namespace: "default", name: name)
            return PolicyObject(
                reference: reference, subject: PodSelector(namespaces: .named("default")), defaultDeny: [.ingress],
                rules: [
                    PolicyRule(
                        action: .allow, direction: .ingress, peers: blocks.map { .addresses($0) }, ports: nil,
                        origin: RuleOrigin(object: reference, direction: .ingress, index: 0))
                ])
        }
        let wide = try block("192.0.0.0/8")
        let narrow = try block("192.0.2.0/24")
        let query = Query(
            source: IPAddress(v4: 0xc000_0201), destination: IPAddress(v4: 0x0a00_0001), protocol: .tcp, port: 80)
        var compiler = PolicyCompiler()
        compiler.stage(
            PolicyEndpoint(
                number: 1, addresses: [query.destination],
                labels: SecurityLabels(namespace: "default", nil, podLabels: [:])))
        compiler.stage(object("wide", [wide]))
        compiler.stage(object("narrow", [narrow]))
        var state = TableState()
        state.apply(compiler.commit())
        compiler.stageRemoval(of: object("narrow", []).reference)
        state.apply(compiler.commit())
        // Now nobody uses the narrow one, and a commit with work on policies gives it up.
        compiler.stage(object("other", []))
        let changeset = compiler.commit()
        #expect(changeset.removedPrefixes.count == 1 && !changeset.views.isEmpty)
        for write in changeset.steps {
            state.apply(write)
            #expect(query.judge(state).isAllowed, "\(write)")
        }
    }

    @Test(arguments: UInt64(9000)..<9040)
    func `flows are judged again whenever a verdict differs`(seed: UInt64) {
        var walk = Walk(seed: seed, pods: 9, policies: 5, others: seed % 2 == 0 ? 0 : 4)
        for step in 0..<20 {
            let queries = walk.generator.queries(walk.cluster, count: 80)
            let before = queries.map { $0.judge(walk.state) }
            walk.change()
            let changeset = walk.compiler.commit()
            walk.state.apply(changeset)
            guard changeset.views.isEmpty, !changeset.judgeAgain else {
                walk.settle()
                continue
            }
            for (query, before) in zip(queries, before) where query.judge(walk.state) != before {
                // What a pod that has gone from this node was judged by, nobody asks any more.
                if walk.removedEndpoints.isEmpty { Issue.record("seed \(seed), step \(step): \(query)") }
            }
            walk.settle()
        }
    }

    @Test func `numbers that went out of use are not used again in the next commit`() {
        var reused = 0
        for seed in UInt64(9500)..<9510 {
            var walk = Walk(seed: seed, pods: 8, policies: 5)
            var rested: Set<UInt32> = []
            var everGone: Set<UInt32> = []
            for _ in 0..<40 {
                let before = walk.state.usedClasses
                walk.change()
                walk.state.apply(walk.compiler.commit())
                walk.settle()
                let fresh = walk.state.usedClasses.subtracting(before)
                #expect(fresh.isDisjoint(with: rested), "seed \(seed)")
                reused += fresh.intersection(everGone).count
                rested = before.subtracting(walk.state.usedClasses)
                everGone.formUnion(rested)
            }
        }
        #expect(reused > 0, "later they are")
    }
}

extension TableState {
    fileprivate var usedClasses: Set<UInt32> { Set(usedSlots.map { classes[$0] ?? 0 }) }
}

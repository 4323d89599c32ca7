// SPDX-License-Identifier: Apache-2.0
import AgentCore
import Testing

struct FlowPaceTests {
    @Test func `sweeps come often while they find much and seldom while they find nothing`() {
        var pace = FlowPace()
        let usual = pace.interval
        pace.swept(live: 100, removed: 100)
        #expect(pace.interval < usual)
        for _ in 0..<10 { pace.swept(live: 100, removed: 100) }
        #expect(pace.interval == FlowPace.shortest)
        for _ in 0..<10 { pace.swept(live: 100, removed: 0) }
        #expect(pace.interval == FlowPace.longest)
        pace.swept(live: 0, removed: 0)
        #expect(pace.interval == FlowPace.longest)
    }
}

struct ConditionsTests {
    @Test func `something is said when it begins, changes and ends, and not in between`() {
        var conditions = Conditions()
        #expect(conditions.set(.flows, nil) == .none)
        #expect(conditions.set(.flows, "slow") == .began)
        #expect(conditions.set(.flows, "slow") == .none)
        #expect(conditions.set(.flows, "slower") == .changed)
        #expect(conditions.all == ["slower"])
        #expect(conditions.blocking.isEmpty)
        #expect(conditions.set(.flows, nil) == .ended)
        conditions.set(.nodePrograms, "refused")
        conditions.set(.nodeRoutes, "unreachable")
        #expect(conditions.blocking.isEmpty)
        #expect(conditions.unready == ["refused"])
        conditions.set(.policy, "full")
        #expect(conditions.blocking == ["full"])
    }
}

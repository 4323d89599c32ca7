// SPDX-License-Identifier: Apache-2.0
import Model
import NetTypes
import Testing

@testable import ClusterSync

@Suite struct SlicePlanTests {
    private func pods(_ range: some Sequence<Int>) -> [ClusterEndpoint] {
        range.map {
            ClusterEndpoint(
                addresses: [IPAddress(v4: 0x0a00_0100 + UInt32($0))], identity: 300, namespace: "default",
                podName: "p\($0 / 10)\($0 % 10)")
        }
    }

    private func plan(
        _ desired: [ClusterEndpoint], _ own: [String: [ClusterEndpoint]], taken: Set<String> = []
    ) -> [SlicePlan.Change] {
        SlicePlan(desired: desired, own: own, taken: taken, node: "n", limit: 4).changes
    }

    private func apply(_ changes: [SlicePlan.Change], to own: inout [String: [ClusterEndpoint]]) {
        for change in changes {
            switch change {
            case .delete(let name): own[name] = nil
            case .create(let name, let endpoints):
                #expect(own[name] == nil)
                own[name] = endpoints
            case .update(let name, let endpoints):
                #expect(own[name] != nil)
                own[name] = endpoints
            }
        }
    }

    @Test func `endpoints are spread over as few slices as they need`() {
        #expect(
            plan(pods(0..<9), [:])
                == [.create("n-0", pods(0..<4)), .create("n-1", pods(4..<8)), .create("n-2", pods(8..<9))])
        #expect(plan([], [:]).isEmpty)
    }

    @Test func `a new pod costs one write, in the first hole`() {
        let own = ["n-0": pods(0..<4), "n-1": pods([4, 6, 7]), "n-2": pods([8])]
        #expect(plan(pods(0..<9), own) == [.update("n-1", pods([4, 6, 7, 5]))])
    }

    @Test func `what is written anyway takes new ones first`() {
        let own = ["n-0": pods([0, 1, 2]), "n-1": pods([4, 5, 6, 7])]
        #expect(plan(pods([0, 1, 2, 4, 5, 6, 9]), own) == [.update("n-1", pods([4, 5, 6, 9]))])
    }

    @Test func `a slice that is empty goes, and its number comes again`() {
        let own = ["n-0": pods(0..<4), "n-1": pods(4..<8)]
        #expect(plan(pods(4..<8), own) == [.delete("n-0")])
        #expect(plan(pods(4..<10), ["n-1": pods(4..<8)]) == [.create("n-0", pods(8..<10))])
        // No new one while an old one can be filled.
        #expect(plan(pods(4..<10), own) == [.update("n-0", pods(8..<10))])
    }

    @Test func `who changes is changed in place, and an address that goes is out before it comes in`() throws {
        var changed = pods(0..<4)
        changed[2].identity = 400
        #expect(plan(changed + pods(4..<6), ["n-0": pods(0..<4), "n-1": pods(4..<6)]) == [.update("n-0", changed)])
        // A pod with the address of one that is gone, for which there is room only in a new slice.
        let heir = ClusterEndpoint(
            addresses: pods([8])[0].addresses, identity: 300, namespace: "default", podName: "heir")
        let own = ["n-0": pods(0..<4), "n-1": pods([8])]
        #expect(plan(pods(0..<4) + [heir], own) == [.update("n-1", [heir])])
    }

    @Test func `what others hold in a slice is put right`() {
        // Twice, too many, and unknown ones.
        let own = ["n-0": pods(0..<6), "n-1": pods([0, 1, 20])]
        var now = own
        apply(plan(pods(0..<6), own), to: &now)
        #expect(now.values.allSatisfy { $0.count <= 4 })
        #expect(now.values.flatMap { $0 }.sorted { $0.podName < $1.podName } == pods(0..<6))
    }

    @Test func `names that others have are left out, and own ones that are none are deleted`() {
        #expect(plan(pods(0..<1), [:], taken: ["n-0", "n-1"]) == [.create("n-2", pods(0..<1))])
        #expect(
            plan(pods(0..<1), ["n-00": pods(0..<1), "forged": pods(0..<1)])
                == [.delete("forged"), .delete("n-00"), .create("n-0", pods(0..<1))])
    }

    @Test(
        arguments: [
            ("n-0", 0), ("n-12", 12), ("n-01", nil), ("n-", nil), ("n", nil), ("n-x", nil), ("n--1", nil), ("m-1", nil),
            ("n-1-2", nil),
        ] as [(String, Int?)])
    func `a slice is called by its node and a number`(name: String, index: Int?) {
        #expect(SlicePlan.index(of: name, node: "n") == index)
    }

    @Test(arguments: 1...20) func `whatever happens, the plan makes it right, and then there is none`(seed: UInt64) {
        var random = SeededSteps(state: seed)
        var own: [String: [ClusterEndpoint]] = [:]
        var desired: [ClusterEndpoint] = []
        for _ in 0..<100 {
            let before = own
            switch random.next(3) {
            case 0: desired = pods((0..<20).filter { _ in random.next(2) == 0 })
            case 1 where !desired.isEmpty: desired.remove(at: random.next(desired.count))
            default: own["n-\(random.next(5))"] = pods((0..<6).map { _ in random.next(25) })
            }
            let disturbed = Set(own.keys.filter { own[$0] != before[$0] })
            let changes = plan(desired, own)
            apply(changes, to: &own)
            #expect(own.values.flatMap { $0 }.sorted { $0.podName < $1.podName } == desired)
            #expect(own.values.allSatisfy { !$0.isEmpty && $0.count <= 4 })
            #expect(plan(desired, own).isEmpty)
            // What stays, stays where it is.
            for (name, endpoints) in before where !disturbed.contains(name) && disturbed.isEmpty {
                for endpoint in endpoints where desired.contains(endpoint) {
                    #expect(own[name]?.contains(endpoint) == true)
                }
            }
        }
    }
}

/// A small generator, the same from the same seed.
struct SeededSteps {
    var state: UInt64

    mutating func next(_ limit: Int) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Int((state >> 33) % UInt64(limit))
    }
}

// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Testing

@testable import OperatorCore

@Suite struct CleanupMachineTests {
    private static let grace: Duration = .seconds(60)

    private func slice(_ name: String, _ node: String, owner: String?, version: String = "1") -> SliceUse {
        let owners = owner.map { [OwnerReference(apiVersion: "skein.dev/v1", kind: "SkeinNode", name: node, uid: $0)] }
        return SliceUse(
            name: name, uid: "u-\(name)", version: version, node: node, owners: owners ?? [], identities: [])
    }

    /// Nodes a and b, SkeinNodes a, b and c (uids ua, ub, uc), a slice of each.
    private func machine() -> CleanupMachine {
        var machine = CleanupMachine(grace: Self.grace)
        for name in ["a", "b"] { machine.nodeChanged(name, isThere: true, now: .zero) }
        for name in ["a", "b", "c"] {
            machine.skeinNodeChanged(name, uid: "u\(name)", now: .zero)
            machine.sliceChanged(slice("\(name)-0", name, owner: "u\(name)"), now: .zero)
        }
        for kind in CleanupMachine.Kind.allCases { machine.loaded(kind, now: .zero) }
        return machine
    }

    private func all(_ machine: inout CleanupMachine, at now: Duration) -> Set<CleanupMachine.Work> {
        var works: Set<CleanupMachine.Work> = []
        while let work = machine.next(now: now) { works.insert(work) }
        return works
    }

    @Test func `a SkeinNode without a Node goes after the grace, once`() {
        var machine = machine()
        #expect(machine.wake == Self.grace && machine.orphanCount == 1)
        #expect(all(&machine, at: Self.grace - .seconds(1)).isEmpty)
        let work = CleanupMachine.Work.deleteNode(name: "c", uid: "uc")
        #expect(all(&machine, at: Self.grace) == [work])
        machine.done(work, .deleted, now: Self.grace)
        machine.skeinNodeChanged("c", uid: nil, now: Self.grace)
        // Its slice follows, if nobody else takes it away before.
        #expect(all(&machine, at: Self.grace * 2 - .seconds(1)).isEmpty)
        #expect(
            all(&machine, at: Self.grace * 2) == [
                .deleteSlice(name: "c-0", uid: "u-c-0", version: "1", node: "c", owners: ["uc"])
            ])
    }

    @Test func `a Node that comes back in time saves its SkeinNode`() {
        var machine = machine()
        machine.nodeChanged("c", isThere: true, now: .seconds(59))
        machine.nodeChanged("a", isThere: false, now: .seconds(59))
        #expect(all(&machine, at: .seconds(118)).isEmpty)
        machine.nodeChanged("a", isThere: true, now: .seconds(118))
        machine.nodeChanged("a", isThere: false, now: .seconds(118))
        // The time began anew.
        #expect(all(&machine, at: .seconds(177)).isEmpty)
        #expect(all(&machine, at: .seconds(178)) == [.deleteNode(name: "a", uid: "ua")])
    }

    @Test(arguments: CleanupMachine.Kind.allCases)
    func `nothing goes before everything is known`(late: CleanupMachine.Kind) {
        var machine = CleanupMachine(grace: Self.grace)
        machine.skeinNodeChanged("a", uid: "ua", now: .zero)
        machine.sliceChanged(slice("a-0", "a", owner: nil), now: .zero)
        for kind in CleanupMachine.Kind.allCases where kind != late { machine.loaded(kind, now: .zero) }
        #expect(machine.wake == nil && all(&machine, at: .seconds(10_000)).isEmpty)
        machine.loaded(late, now: .seconds(10_000))
        #expect(all(&machine, at: .seconds(10_060)).count == 2)
    }

    @Test func `a slice without an owner that exists goes, in the version that was seen`() {
        var machine = machine()
        machine.sliceChanged(slice("a-1", "a", owner: nil), now: .zero)
        machine.sliceChanged(slice("b-1", "b", owner: "old"), now: .zero)
        machine.sliceChanged(slice("x-0", "x", owner: "ux"), now: .zero)
        machine.sliceChanged(slice("b-1", "b", owner: "old", version: "2"), now: .seconds(30))
        let works = all(&machine, at: Self.grace)
        #expect(works.count == 4)
        #expect(works.contains(.deleteSlice(name: "a-1", uid: "u-a-1", version: "1", node: "a", owners: [])))
        #expect(works.contains(.deleteSlice(name: "b-1", uid: "u-b-1", version: "2", node: "b", owners: ["old"])))
        #expect(works.contains(.deleteSlice(name: "x-0", uid: "u-x-0", version: "1", node: "x", owners: ["ux"])))
    }

    @Test func `an agent that sets its slice right in time keeps it`() {
        var machine = machine()
        // Its SkeinNode was made anew.
        machine.skeinNodeChanged("a", uid: "ua2", now: .zero)
        #expect(machine.orphanCount == 2)
        machine.sliceChanged(slice("a-0", "a", owner: "ua2", version: "2"), now: .seconds(50))
        #expect(all(&machine, at: .seconds(10_000)) == [.deleteNode(name: "c", uid: "uc")])
    }

    @Test func `what the server says is needed is looked at again later`() {
        var machine = machine()
        let work = CleanupMachine.Work.deleteNode(name: "c", uid: "uc")
        #expect(all(&machine, at: Self.grace) == [work])
        machine.done(work, .kept, now: Self.grace)
        #expect(machine.wake == Self.grace * 2)
        #expect(all(&machine, at: Self.grace * 2) == [work])
        machine.nodeChanged("c", isThere: true, now: Self.grace * 2)
        machine.done(work, .kept, now: Self.grace * 2)
        #expect(machine.wake == nil)
    }

    @Test func `what failed is tried again soon, later each time`() {
        var machine = machine()
        let work = CleanupMachine.Work.deleteNode(name: "c", uid: "uc")
        var now = Self.grace
        for delay in [500, 1_000, 2_000, 4_000] {
            #expect(all(&machine, at: now) == [work])
            machine.done(work, .failure(.failed("no")), now: now)
            now += .milliseconds(delay)
            #expect(machine.wake == now)
        }
    }
}

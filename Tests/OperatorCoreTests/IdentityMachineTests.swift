// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import OperatorCore

@Suite struct IdentityMachineTests {
    private static let grace: Duration = .seconds(900)
    private static let half: Duration = .seconds(450)

    private typealias Work = IdentityMachine.Work

    /// With identities 300 (named by a slice), 301 and 302, in version "1".
    private func machine() -> IdentityMachine {
        var machine = IdentityMachine(grace: Self.grace)
        machine.sliceChanged("a-0", [300], now: .zero)
        machine.slicesLoaded(now: .zero)
        for number in [300, 301, 302] as [UInt32] {
            machine.identityChanged(number, uid: "u\(number)", version: "1", age: nil, now: .zero)
        }
        machine.identitiesLoaded(now: .zero)
        return machine
    }

    private func all(_ machine: inout IdentityMachine, at now: Duration) -> Set<Work> {
        var works: Set<Work> = []
        while let work = machine.next(now: now) { works.insert(work) }
        return works
    }

    @Test func `what no slice names is marked at half time, and deleted at the end`() {
        var machine = machine()
        #expect(machine.wake == Self.half)
        #expect(machine.next(now: Self.half - .seconds(1)) == nil)
        let marks = all(&machine, at: Self.half)
        #expect(
            marks == [
                .mark(name: "301", uid: "u301", version: "1"), .mark(name: "302", uid: "u302", version: "1"),
            ])
        for mark in marks { machine.done(mark, .done, now: Self.half) }
        // Not twice, also before it is told.
        #expect(all(&machine, at: Self.half + .seconds(60)).isEmpty)
        machine.identityChanged(301, uid: "u301", version: "2", age: .zero, now: Self.half)
        machine.identityChanged(302, uid: "u302", version: "3", age: .zero, now: Self.half)
        #expect(all(&machine, at: Self.grace - .seconds(1)).isEmpty)
        #expect(
            all(&machine, at: Self.grace) == [
                .delete(name: "301", uid: "u301", version: "2"), .delete(name: "302", uid: "u302", version: "3"),
            ])
        machine.identityDeleted(301)
        machine.identityDeleted(302)
        #expect(machine.count == 1)
        #expect(all(&machine, at: .seconds(100_000)).isEmpty)
    }

    @Test func `nothing happens before both kinds are known`() {
        var machine = IdentityMachine(grace: Self.grace)
        machine.identityChanged(300, uid: "u", version: "1", age: .seconds(5_000), now: .zero)
        machine.identitiesLoaded(now: .zero)
        #expect(machine.wake == nil)
        #expect(machine.next(now: .seconds(10_000)) == nil)
        machine.sliceChanged("a-0", [300], now: .seconds(10_000))
        machine.slicesLoaded(now: .seconds(10_000))
        // It is in use, so it only loses its mark.
        #expect(machine.next(now: .seconds(10_000)) == .unmark(name: "300", uid: "u", version: "1"))
    }

    @Test func `an identity that is named again keeps its place, and the time begins anew`() {
        var machine = machine()
        machine.sliceChanged("b-0", [301], now: .seconds(440))
        machine.sliceDeleted("b-0", now: .seconds(600))
        #expect(all(&machine, at: .seconds(1_049)).contains(.mark(name: "301", uid: "u301", version: "1")) == false)
        #expect(all(&machine, at: .seconds(1_050)) == [.mark(name: "301", uid: "u301", version: "1")])
    }

    @Test func `a marked identity that a slice names loses its mark`() {
        var machine = machine()
        machine.identityChanged(301, uid: "u301", version: "2", age: .zero, now: .seconds(450))
        machine.sliceChanged("b-0", [301], now: .seconds(899))
        #expect(all(&machine, at: .seconds(899)).contains(.unmark(name: "301", uid: "u301", version: "2")))
        machine.done(.unmark(name: "301", uid: "u301", version: "2"), .done, now: .seconds(899))
        #expect(machine.next(now: .seconds(5_000)) == nil)
    }

    @Test func `a mark that somebody takes away begins the time anew`() {
        var machine = machine()
        machine.identityChanged(301, uid: "u301", version: "2", age: .zero, now: Self.half)
        machine.identityChanged(301, uid: "u301", version: "3", age: nil, now: .seconds(890))
        let later = all(&machine, at: .seconds(1_339))
        #expect(later == [.mark(name: "302", uid: "u302", version: "1")])
        #expect(all(&machine, at: .seconds(1_340)) == [.mark(name: "301", uid: "u301", version: "3")])
    }

    @Test func `a deletion that came too late is no deletion`() {
        var machine = machine()
        machine.identityChanged(301, uid: "u301", version: "2", age: .zero, now: Self.half)
        let work = Work.delete(name: "301", uid: "u301", version: "2")
        #expect(all(&machine, at: Self.grace).contains(work))
        // The agent was faster: the server refuses, and the new version is told before or after.
        machine.done(work, .failure(.conflict), now: Self.grace)
        #expect(all(&machine, at: Self.grace + .seconds(60)).isEmpty)
        machine.identityChanged(301, uid: "u301", version: "3", age: nil, now: Self.grace)
        #expect(all(&machine, at: Self.grace + Self.half - .seconds(1)).isEmpty)
        #expect(all(&machine, at: Self.grace + Self.half) == [.mark(name: "301", uid: "u301", version: "3")])
    }

    @Test(arguments: [
        // Marked long ago: but for a while the new leader only watches.
        (Duration.seconds(100_000), Duration.seconds(60)), (.seconds(430), .seconds(60)),
        (.seconds(100), .seconds(350)), (.zero, .seconds(450)),
    ])
    func `a new leader goes on with the marks that it finds`(age: Duration, due: Duration) {
        var machine = IdentityMachine(grace: Self.grace)
        let start: Duration = .seconds(3)
        machine.identityChanged(301, uid: "u", version: "7", age: age, now: start)
        machine.slicesLoaded(now: start)
        machine.identitiesLoaded(now: start)
        #expect(machine.next(now: start + due - .seconds(1)) == nil)
        #expect(machine.wake == start + due)
        #expect(machine.next(now: start + due) == .delete(name: "301", uid: "u", version: "7"))
    }

    @Test func `a slice that nobody can read keeps everything, until it is read or gone`() {
        var machine = machine()
        machine.sliceUnreadable("c-0")
        #expect(machine.isBlocked)
        #expect(all(&machine, at: .seconds(2_000)).isEmpty)
        machine.sliceChanged("c-0", [302], now: .seconds(2_000))
        #expect(all(&machine, at: .seconds(2_000)) == [.mark(name: "301", uid: "u301", version: "1")])
    }

    @Test func `what failed is tried again, later each time`() {
        var machine = machine()
        machine.identityDeleted(302)
        let work = Work.mark(name: "301", uid: "u301", version: "1")
        var now = Self.half
        for delay in [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            #expect(machine.next(now: now) == work)
            machine.done(work, .failure(.failed("no")), now: now)
            #expect(machine.next(now: now) == nil)
            now += .milliseconds(delay)
            #expect(machine.wake == now)
        }
    }

    @Test func `an identity made anew under its number is another one`() {
        var machine = machine()
        machine.identityChanged(301, uid: "u301", version: "2", age: .zero, now: Self.half)
        let old = Work.delete(name: "301", uid: "u301", version: "2")
        #expect(all(&machine, at: Self.grace).contains(old))
        machine.identityChanged(301, uid: "other", version: "9", age: nil, now: Self.grace)
        machine.done(old, .done, now: Self.grace)
        #expect(all(&machine, at: Self.grace + Self.half - .seconds(1)).isEmpty)
        #expect(
            all(&machine, at: Self.grace + Self.half).contains(.mark(name: "301", uid: "other", version: "9")))
    }

    /// Agents that keep to the protocol, with watches that lag, and an operator whose leader changes: an identity goes
    /// only when nobody has used it for the grace, and everything that is not used goes in the end.
    @Test(arguments: 0..<30) func `who keeps to the protocol loses nothing`(seed: UInt64) {
        var world = IdentityWorld(seed: seed, grace: .seconds(120))
        for _ in 0..<3_000 { world.step() }
        #expect(world.violations == [])
        #expect(world.deletions > 0)
        world.settle()
        #expect(world.violations == [])
        #expect(world.unusedLeft == [])
    }
}

// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import OperatorCore

@Suite struct PodRangeMachineTests {
    private typealias Work = PodRangeMachine.Work

    private static func prefixes(_ texts: [String]) -> [Prefix] { texts.compactMap { Prefix($0) } }

    private func machine(
        ipv4: [String] = ["10.0.0.0/22"], ipv6: [String] = [], length: Int = 24
    ) throws -> PodRangeMachine {
        var settings = PodRangeSettings()
        settings.ipv4 = Self.prefixes(ipv4)
        settings.ipv6 = Self.prefixes(ipv6)
        settings.ipv4Length = length
        return try PodRangeMachine(settings)
    }

    private func node(
        _ name: String, _ ranges: [String] = [], version: String = "1", created: String = "", uid: String? = nil,
        usage: (used: UInt64, available: UInt64)? = nil, condition: NodeRanges.Condition? = nil
    ) -> NodeRanges {
        NodeRanges(
            name: name, uid: uid ?? "u-\(name)", version: version, created: created, ranges: Self.prefixes(ranges),
            unreadable: ranges.filter { Prefix($0) == nil },
            usage: usage.map { .init(used: $0.used, available: $0.available) }, condition: condition)
    }

    private func target(_ name: String, _ version: String = "1") -> PodRangeMachine.Target {
        .init(name: name, uid: "u-\(name)", version: version)
    }

    private func all(_ machine: inout PodRangeMachine, at now: Duration = .zero) -> [Work] {
        var works: [Work] = []
        while let work = machine.next(now: now) { works.append(work) }
        return works
    }

    /// A machine that has begun with nothing.
    private func begun(
        ipv4: [String] = ["10.0.0.0/22"], ipv6: [String] = [], length: Int = 24
    ) throws -> PodRangeMachine {
        var machine = try machine(ipv4: ipv4, ipv6: ipv6, length: length)
        machine.loaded()
        return machine
    }

    @Test func `a node without ranges gets one of each family`() throws {
        var machine = try begun(ipv6: ["fd00::/112"])
        machine.changed(node("a"))
        machine.changed(node("b"))
        #expect(
            all(&machine) == [
                .write(target("a"), Self.prefixes(["10.0.0.0/24", "fd00::/120"]), lost: []),
                .write(target("b"), Self.prefixes(["10.0.1.0/24", "fd00::100/120"]), lost: []),
            ])
    }

    @Test(arguments: [false, true])
    func `what is written is not written again, told before the answer or after`(isToldFirst: Bool) throws {
        var machine = try begun()
        machine.changed(node("a"))
        let next = machine.next(now: .zero)
        let work = try #require(next)
        let written = node("a", ["10.0.0.0/24"], version: "2")
        if isToldFirst { machine.changed(written) }
        machine.done(work, .done(written), now: .zero)
        #expect(machine.next(now: .zero) == nil)
        machine.changed(written)
        machine.changed(node("a", ["10.0.0.0/24"], version: "3"))
        #expect(machine.next(now: .zero) == nil && machine.wake == nil)
    }

    @Test(arguments: [false, true])
    func `an object that was just written can be written again`(isToldFirst: Bool) throws {
        var machine = try begun(ipv4: ["10.0.0.0/24"], ipv6: ["fd00::/64"])
        machine.changed(node("a", ["10.0.0.0/24", "fd00::/120"]))
        machine.changed(node("b"))
        // Only IPv6 is left.
        let next = machine.next(now: .zero)
        let work = try #require(next)
        #expect(work == .write(target("b"), Self.prefixes(["fd00::100/120"]), lost: []))
        let written = node("b", ["fd00::100/120"], version: "2")
        if isToldFirst { machine.changed(written) }
        machine.done(work, .done(written), now: .zero)
        if !isToldFirst { machine.changed(written) }
        guard case .report(let target, let condition) = machine.next(now: .zero) else {
            Issue.record("nothing is said")
            return
        }
        machine.done(.report(target, condition), .done(written), now: .zero)
        machine.deleted("a")
        #expect(
            all(&machine) == [
                .write(self.target("b", "2"), Self.prefixes(["fd00::100/120", "10.0.0.0/24"]), lost: [])
            ])
    }

    @Test func `what is planned and needed no more is free again, once it is sure that it was not written`() throws {
        var machine = try begun(ipv4: ["10.0.0.0/23"])
        machine.changed(node("a", ["10.0.0.0/24"], usage: (254, 0)))
        let next = machine.next(now: .zero)
        let work = try #require(next)
        // It may be written, or not.
        machine.done(work, .failure(.failed("no answer")), now: .zero)
        machine.changed(node("a", ["10.0.0.0/24"], version: "2", usage: (1, 253)))
        machine.changed(node("b"))
        guard case .report(target("b"), _) = machine.next(now: .zero) else {
            Issue.record("b is given what may be a's")
            return
        }
        let fence = Work.fence(target("a", "2"))
        #expect(all(&machine, at: .seconds(1)) == [fence])
        machine.done(fence, .done(node("a", ["10.0.0.0/24"], version: "3")), now: .seconds(1))
        machine.done(
            .report(target("b"), .init(isTrue: false, reason: "PoolExhausted", message: "")),
            .done(node("b", version: "2")), now: .seconds(1))
        #expect(all(&machine, at: .seconds(1)) == [.write(target("b"), Self.prefixes(["10.0.1.0/24"]), lost: [])])
    }

    @Test func `what was written after all, though it is needed no more, is the node's`() throws {
        var machine = try begun(ipv4: ["10.0.0.0/23"])
        machine.changed(node("a", ["10.0.0.0/24"], usage: (254, 0)))
        let next = machine.next(now: .zero)
        let work = try #require(next)
        machine.done(work, .failure(.failed("no answer")), now: .zero)
        machine.changed(node("a", ["10.0.0.0/24"], version: "2", usage: (1, 253)))
        let fence = Work.fence(target("a", "2"))
        #expect(all(&machine, at: .seconds(1)) == [fence])
        machine.done(fence, .done(node("a", ["10.0.0.0/24", "10.0.1.0/24"], version: "4")), now: .seconds(1))
        machine.changed(node("b"))
        let works = all(&machine, at: .seconds(1))
        #expect(works.count == 1)
        guard case .report(target("b"), _) = works.first else {
            Issue.record("b is given what is a's")
            return
        }
    }

    @Test func `after a conflict the same range is written on the next version`() throws {
        var machine = try begun()
        machine.changed(node("a"))
        let next = machine.next(now: .zero)
        let work = try #require(next)
        machine.done(work, .failure(.conflict), now: .zero)
        #expect(machine.next(now: .seconds(100)) == nil)
        machine.changed(node("a", version: "2"))
        #expect(all(&machine) == [.write(target("a", "2"), Self.prefixes(["10.0.0.0/24"]), lost: [])])
    }

    @Test func `a write of which nobody knows whether it worked keeps its range`() throws {
        var machine = try begun(ipv4: ["10.0.0.0/23"])
        machine.changed(node("a"))
        let next = machine.next(now: .zero)
        let work = try #require(next)
        machine.done(work, .failure(.failed("no answer")), now: .zero)
        machine.changed(node("b"))
        #expect(all(&machine) == [.write(target("b"), Self.prefixes(["10.0.1.0/24"]), lost: [])])
        #expect(machine.wake == .milliseconds(500))
        #expect(all(&machine, at: .milliseconds(500)) == [work])
    }

    @Test func `ranges of a node that is gone are free, and come last`() throws {
        var machine = try begun(ipv4: ["10.0.0.0/23"])
        machine.changed(node("a", ["10.0.0.0/24"]))
        machine.deleted("a")
        machine.changed(node("b"))
        machine.changed(node("c"))
        machine.changed(node("d"))
        let works = all(&machine)
        #expect(
            works.prefix(2) == [
                .write(target("b"), Self.prefixes(["10.0.0.0/24"]), lost: []),
                .write(target("c"), Self.prefixes(["10.0.1.0/24"]), lost: []),
            ]
                || works.prefix(2) == [
                    .write(target("b"), Self.prefixes(["10.0.1.0/24"]), lost: []),
                    .write(target("c"), Self.prefixes(["10.0.0.0/24"]), lost: []),
                ])
        guard case .report(_, let condition) = works.last else {
            Issue.record("nothing is said of d: \(works)")
            return
        }
        #expect(!condition.isTrue && condition.reason == "PoolExhausted" && condition.message.contains("IPv4"))
        machine.deleted("b")
        // Only when what is said was said.
        machine.done(.report(target("d"), condition), .done(node("d", version: "2")), now: .zero)
        guard case .write(let target, let ranges, _) = machine.next(now: .zero) else {
            Issue.record("d waits for ever")
            return
        }
        #expect(target.name == "d" && ranges.count == 1)
    }

    @Test func `a node made anew under its name gets what it had`() throws {
        var machine = try begun()
        machine.changed(node("a", ["10.0.0.0/24"]))
        machine.changed(node("b", ["10.0.1.0/24"]))
        machine.deleted("b")
        machine.changed(node("c"))
        machine.changed(node("b", version: "9", uid: "other"))
        var given: [String: [Prefix]] = [:]
        for case .write(let target, let ranges, _) in all(&machine) { given[target.name] = ranges }
        #expect(given == ["b": Self.prefixes(["10.0.1.0/24"]), "c": Self.prefixes(["10.0.2.0/24"])])
    }

    @Test(arguments: [
        // used, available, ranges afterwards
        (UInt64(0), UInt64(254), 1), (245, 9, 1), (247, 7, 2), (254, 0, 2), (600, 0, 3),
        // The agent has not taken up what it was given.
        (100, 0, 1),
    ])
    func `a node that runs short gets more`(used: UInt64, available: UInt64, count: Int) throws {
        var machine = try begun(ipv4: ["10.0.0.0/16"])
        machine.changed(node("a", ["10.0.0.0/24"], usage: (used, available)))
        let works = all(&machine)
        if count == 1 {
            #expect(works.isEmpty)
        } else {
            let ranges = Self.prefixes((0..<count).map { "10.0.\($0).0/24" })
            #expect(works == [.write(target("a"), ranges, lost: [])])
            // Its agent says the same until it has seen them.
            machine.done(works[0], .done(node("a", ranges.map(\.description), version: "2")), now: .zero)
            machine.changed(node("a", ranges.map(\.description), version: "2", usage: (used, available)))
            #expect(all(&machine).isEmpty)
        }
    }

    @Test func `only the family that is short grows, and up to a limit`() throws {
        var machine = try begun(ipv4: ["10.0.0.0/16"], ipv6: ["fd00::/64"], length: 28)
        machine.changed(node("a", ["10.0.0.0/28", "fd00::/120"], usage: (14, 0)))
        #expect(
            all(&machine) == [
                .write(target("a"), Self.prefixes(["10.0.0.0/28", "fd00::/120", "10.0.0.16/28"]), lost: [])
            ])
        machine.changed(node("b", ["10.0.9.0/28", "fd00::900/120"], usage: (100_000, 0)))
        guard case .write(_, let ranges, _) = machine.next(now: .zero) else {
            Issue.record("b gets nothing")
            return
        }
        #expect(ranges.count == PodRangeMachine.maximumRanges)
    }

    // MARK: What is there already

    @Test func `ranges given earlier or by hand are kept, and given to nobody else`() throws {
        var machine = try machine()
        machine.changed(node("a", ["10.0.0.0/23"]))
        machine.changed(node("b", ["10.0.2.0/24", "192.168.0.0/20"]))
        machine.changed(node("c", ["fd00::/64", "10.0.3.0/25"]))
        machine.loaded()
        #expect(all(&machine).isEmpty)
        machine.changed(node("d"))
        guard case .report(target("d"), let condition) = machine.next(now: .zero) else {
            Issue.record("d was given something")
            return
        }
        #expect(condition.reason == "PoolExhausted")
    }

    @Test func `of two with one range the older keeps it, whatever their names and the order`() throws {
        var machine = try machine()
        machine.changed(node("a", ["10.0.1.0/24"], created: "2026-02-01T00:00:00Z"))
        machine.changed(node("b", ["10.0.1.0/24"], created: "2026-01-01T00:00:00Z"))
        machine.loaded()
        // First it is made sure that nobody else writes to it.
        #expect(all(&machine) == [.fence(target("a"))])
        machine.done(.fence(target("a")), .done(node("a", ["10.0.1.0/24"], version: "2")), now: .zero)
        let work = Work.write(
            target("a", "2"), Self.prefixes(["10.0.2.0/24"]), lost: ["10.0.1.0/24 belongs to b"])
        #expect(all(&machine) == [work])
        machine.done(work, .done(node("a", ["10.0.2.0/24"], version: "3")), now: .zero)
        machine.changed(node("a", ["10.0.2.0/24"], version: "3"))
        let condition = NodeRanges.Condition(
            isTrue: true, reason: "Corrected", message: "taken away: 10.0.1.0/24 belongs to b")
        #expect(all(&machine) == [.report(target("a", "3"), condition)])
        machine.done(
            .report(target("a", "3"), condition), .done(node("a", ["10.0.2.0/24"], version: "4")), now: .zero)
        machine.changed(node("a", ["10.0.2.0/24"], version: "4", condition: condition))
        #expect(all(&machine).isEmpty)
    }

    @Test func `a wide range in one object takes nothing away from the others, however old it is`() throws {
        var machine = try machine()
        machine.changed(node("old", ["10.0.0.0/8"], created: "2020-01-01T00:00:00Z"))
        machine.changed(node("a", ["10.0.1.0/24"], created: "2026-01-01T00:00:00Z"))
        machine.loaded()
        machine.done(.fence(target("old")), .done(node("old", ["10.0.0.0/8"], version: "2")), now: .zero)
        #expect(
            all(&machine) == [
                .write(
                    target("old", "2"), Self.prefixes(["10.0.2.0/24"]),
                    lost: ["10.0.0.0/8 overlaps 10.0.1.0/24, which belongs to a"])
            ])
    }

    @Test func `while it runs, who had a range first keeps it`() throws {
        var machine = try machine()
        machine.changed(node("a", ["10.0.0.0/24"], created: "2026-01-01T00:00:00Z"))
        machine.changed(node("b", ["10.0.1.0/24"], created: "2026-02-01T00:00:00Z"))
        machine.loaded()
        machine.changed(node("a", ["10.0.0.0/24", "10.0.1.0/24", "127.0.0.0/8", "x"], version: "2"))
        guard case .write(target("a", "2"), let ranges, let lost) = machine.next(now: .zero) else {
            Issue.record("it stays wrong")
            return
        }
        #expect(ranges == Self.prefixes(["10.0.0.0/24"]))
        #expect(lost.count == 3)
        #expect(Set(lost).isSuperset(of: ["10.0.1.0/24 belongs to b", "\"x\" is no range"]))
    }

    @Test func `a range that a person takes away is free`() throws {
        var machine = try begun(ipv4: ["10.0.0.0/23"])
        machine.changed(node("a", ["10.0.0.0/24", "10.0.1.0/24"]))
        machine.changed(node("b"))
        #expect(all(&machine).count == 1)
        machine.changed(node("a", ["10.0.0.0/24"], version: "2"))
        machine.done(
            .report(target("b"), .init(isTrue: false, reason: "PoolExhausted", message: "")),
            .done(node("b", version: "2")), now: .zero)
        #expect(all(&machine) == [.write(target("b"), Self.prefixes(["10.0.1.0/24"]), lost: [])])
    }

    // MARK: Leaders

    @Test func `nothing is given away before everything is known`() throws {
        var machine = try machine()
        machine.changed(node("a"))
        #expect(machine.next(now: .seconds(100)) == nil && machine.wake == nil)
    }

    @Test func `a former leader's write that arrives late is seen, or can't arrive`() throws {
        var machine = try machine()
        machine.changed(node("a"))
        machine.changed(node("b"))
        machine.changed(node("c", ["10.0.3.0/24"]))
        machine.loaded()
        #expect(Set(all(&machine)) == [.fence(target("a")), .fence(target("b"))])
        // It was faster at b: our touch names another version. Until we know what it wrote, nobody gets anything.
        machine.done(.fence(target("b")), .failure(.conflict), now: .zero)
        machine.done(.fence(target("a")), .done(node("a", version: "8")), now: .zero)
        machine.changed(node("d"))
        #expect(all(&machine).isEmpty)
        machine.changed(node("b", ["10.0.0.0/24"], version: "5"))
        #expect(all(&machine) == [.fence(target("b", "5"))])
        machine.done(.fence(target("b", "5")), .done(node("b", ["10.0.0.0/24"], version: "9")), now: .zero)
        let works = all(&machine)
        #expect(Set(works.map(\.target.name)) == ["a", "d"])
        #expect(
            works.allSatisfy {
                if case .write(_, let ranges, _) = $0 {
                    !ranges.contains(Self.prefixes(["10.0.0.0/24"])[0])
                } else {
                    false
                }
            })
    }

    @Test func `what an answer shows is taken, though the watch is behind`() throws {
        var machine = try machine(ipv4: ["10.0.0.0/23"])
        machine.changed(node("a"))
        machine.changed(node("b"))
        machine.loaded()
        #expect(all(&machine).count == 2)
        // Somebody's write is in it, which the watch has not told, and tells only after something older.
        machine.done(.fence(target("a")), .done(node("a", ["10.0.0.0/24"], version: "8")), now: .zero)
        machine.changed(node("a", version: "4"))
        machine.done(.fence(target("b")), .done(node("b", version: "9")), now: .zero)
        let works = all(&machine)
        #expect(works.contains(.write(target("b", "9"), Self.prefixes(["10.0.1.0/24"]), lost: [])))
    }

    @Test(arguments: [WriteFailure.refused("invalid"), .gone])
    func `an object that can't be touched holds up nobody for ever`(failure: WriteFailure) throws {
        var machine = try machine()
        machine.changed(node("a"))
        machine.loaded()
        machine.changed(node("b"))
        #expect(all(&machine) == [.fence(target("a"))])
        machine.done(.fence(target("a")), .failure(failure), now: .zero)
        if failure == .gone { machine.deleted("a") }
        #expect(all(&machine).contains { $0.target.name == "b" })
    }
}

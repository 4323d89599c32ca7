// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import KubeClient

@Suite struct LeaderElectionTests {
    private static func settings(_ identity: String) -> LeaderElectionSettings {
        LeaderElectionSettings(identity: identity)
    }

    private func machine(_ identity: String = "a") -> LeaderElection {
        LeaderElection(Self.settings(identity), seed: 1, now: .zero)
    }

    private func record(
        _ holder: String?, _ version: String, seconds: Double = 15, transitions: Int = 3
    ) -> LeaderElection.Record {
        LeaderElection.Record(
            holder: holder, duration: .seconds(seconds), transitions: transitions, resourceVersion: version)
    }

    @Test func `a lease that is not there is made`() {
        var machine = machine()
        #expect(machine.next(now: .zero) == .read)
        machine.observed(nil, now: .milliseconds(100))
        #expect(machine.next(now: .milliseconds(100)) == .create)
        machine.wrote(resourceVersion: "1", started: .milliseconds(100))
        #expect(machine.isLeading)
        #expect(machine.ownVersion == "1")
        #expect(machine.deadline == .milliseconds(10_100))
    }

    @Test(arguments: ["", nil, "a"])
    func `a lease that is free, or ours, is taken`(holder: String?) {
        var machine = machine()
        _ = machine.next(now: .zero)
        machine.observed(record(holder, "7"), now: .zero)
        #expect(machine.next(now: .zero) == .take(resourceVersion: "7", transitions: 3))
    }

    @Test func `another's lease is taken once it has not changed for its duration, seen from here`() {
        var machine = machine()
        var now = Duration.zero
        var reads = 0
        var version = 1
        func run(until end: Duration) -> LeaderElection.Action? {
            while true {
                switch machine.next(now: now) {
                case .wait(let until):
                    if until > end { return nil }
                    now = until
                case .read:
                    reads += 1
                    machine.observed(record("b", "\(version)"), now: now)
                case let other: return other
                }
            }
        }
        #expect(run(until: .seconds(14)) == nil)
        #expect(reads >= 7)
        #expect(machine.leader == "b")
        // The leader renews: it counts from here again.
        version = 2
        #expect(run(until: .seconds(28)) == nil)
        #expect(run(until: .seconds(60)) == .take(resourceVersion: "2", transitions: 3))
        #expect(now >= .seconds(29) && now < .seconds(34))
    }

    @Test func `a leader renews before its time is over, and gives up when it can't`() {
        var machine = machine()
        machine.observed(nil, now: .zero)
        _ = machine.next(now: .zero)
        machine.wrote(resourceVersion: "1", started: .zero)
        guard case .wait(let until) = machine.next(now: .milliseconds(100)) else {
            Issue.record("it does not wait")
            return
        }
        #expect(until >= .seconds(1.4) && until <= .seconds(2))
        #expect(machine.next(now: until) == .renew(resourceVersion: "1", deadline: .seconds(10)))
        machine.failed(.other, now: until)
        #expect(machine.isLeading)
        #expect(machine.next(now: .milliseconds(9_900)) == .renew(resourceVersion: "1", deadline: .seconds(10)))
        // The time counts from when the request was sent.
        machine.wrote(resourceVersion: "2", started: .milliseconds(9_900))
        #expect(
            machine.next(now: .milliseconds(19_800)) == .renew(resourceVersion: "2", deadline: .milliseconds(19_900)))
        #expect(machine.next(now: .milliseconds(19_900)) == .giveUp)
        #expect(!machine.isLeading)
        #expect(machine.next(now: .milliseconds(19_900)) == .read)
    }

    @Test func `a leader whose lease another one has leads no more`() {
        var machine = machine()
        machine.observed(nil, now: .zero)
        machine.wrote(resourceVersion: "1", started: .zero)
        machine.failed(.conflict, now: .seconds(1))
        #expect(machine.next(now: .seconds(1)) == .giveUp)
    }

    @Test func `one that failed to take it reads again before it tries again`() {
        var machine = machine()
        machine.observed(nil, now: .zero)
        #expect(machine.next(now: .zero) == .create)
        machine.failed(.conflict, now: .seconds(1))
        #expect(machine.next(now: .seconds(1)) == .read)
        machine.failed(.other, now: .seconds(2))
        guard case .wait = machine.next(now: .seconds(2)) else {
            Issue.record("it does not wait")
            return
        }
    }

    @Test(arguments: [
        ("", 15.0, 10.0, 2.0, "identity is empty"), ("a", 0.5, 0.2, 0.1, "leaseDuration is less than a second"),
        ("a", 10, 10, 2, "renewDeadline is not less than leaseDuration"),
        ("a", 15, 10, 6, "retryPeriod leaves no second try before renewDeadline"),
    ])
    func `settings that make no sense are named`(
        identity: String, lease: Double, renew: Double, retry: Double, problem: String
    ) {
        var settings = LeaderElectionSettings(identity: identity)
        settings.leaseDuration = .seconds(lease)
        settings.renewDeadline = .seconds(renew)
        settings.retryPeriod = .seconds(retry)
        #expect(settings.problem == problem)
        #expect(LeaderElectionSettings(identity: "a").problem == nil)
    }

    /// Four candidates whose clocks start anywhere, an API server that is slow, loses requests and answers, and is away
    /// at times, and candidates that stand still for a while: never do two of them lead at once, and when all is well
    /// somebody does.
    @Test(arguments: 0..<40)
    func `never two at once`(seed: UInt64) {
        var simulation = ElectionSimulation(seed: seed)
        simulation.run(for: .seconds(600), disturbed: true)
        #expect(simulation.doubleLeaders == 0)
        simulation.run(for: .seconds(60), disturbed: false)
        #expect(simulation.doubleLeaders == 0)
        #expect(simulation.leaders.count == 1)
        #expect(simulation.terms > 2)
    }
}

/// Candidates and their lease, in steps of 50 ms.
private struct ElectionSimulation {
    private struct Candidate {
        var machine: LeaderElection
        /// Its clock less the simulation's.
        let offset: Duration
        var pending: Pending?
        var sleepsUntil = Duration.zero
        var stopsUntil = Duration.zero
    }

    private struct Pending {
        let action: LeaderElection.Action
        let started: Duration
        /// When the server gets it; nil: never.
        var arrives: Duration?
        /// When the answer is back; nil: never.
        let returns: Duration?
        let limit: Duration
        var answer: Answer?
    }

    private enum Answer {
        case lease(LeaderElection.Record?)
        case written(String)
        case conflict
    }

    private var generator: SeededGenerator
    private var candidates: [Candidate]
    private var lease: LeaderElection.Record?
    private var version = 0
    private var now = Duration.zero
    private var isAwayUntil = Duration.zero
    private(set) var doubleLeaders = 0
    private(set) var terms = 0

    init(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        candidates = (0..<4).map { number in
            let offset = Duration.seconds(Int.random(in: 0...1_000, using: &generator))
            return Candidate(
                machine: LeaderElection(
                    LeaderElectionSettings(identity: "c\(number)"), seed: seed * 10 + UInt64(number), now: offset),
                offset: offset)
        }
        self.generator = generator
    }

    /// Those who may act: a candidate that stands still acts again only after it has looked at its clock.
    var leaders: [Int] {
        candidates.indices.filter { index in
            let candidate = candidates[index]
            guard candidate.machine.isLeading, now >= candidate.stopsUntil else { return false }
            return candidate.machine.deadline.map { now + candidate.offset < $0 } ?? false
        }
    }

    mutating func run(for duration: Duration, disturbed: Bool) {
        let end = now + duration
        while now < end {
            now += .milliseconds(50)
            if disturbed, random(1_000) == 0 { isAwayUntil = now + .seconds(random(40)) }
            for index in candidates.indices { step(index, disturbed: disturbed) }
            if leaders.count > 1 { doubleLeaders += 1 }
        }
    }

    private mutating func random(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }

    private mutating func step(_ index: Int, disturbed: Bool) {
        if disturbed, random(4_000) == 0 { candidates[index].stopsUntil = now + .seconds(random(30)) }
        if var pending = candidates[index].pending {
            if let arrives = pending.arrives, now >= arrives {
                pending.arrives = nil
                pending.answer = serve(pending.action, index)
                candidates[index].pending = pending
            }
        }
        guard now >= candidates[index].stopsUntil else { return }
        let local = now + candidates[index].offset
        if let pending = candidates[index].pending {
            if let returns = pending.returns, now >= returns, let answer = pending.answer {
                candidates[index].pending = nil
                take(answer, started: pending.started, index, local)
            } else if local >= pending.limit {
                candidates[index].pending = nil
                candidates[index].machine.failed(.other, now: local)
            } else {
                return
            }
        }
        guard now >= candidates[index].sleepsUntil else { return }
        let action = candidates[index].machine.next(now: local)
        switch action {
        case .wait(let until): candidates[index].sleepsUntil = until - candidates[index].offset
        case .giveUp: break
        case .renew(_, let deadline): send(action, index, limit: deadline, disturbed: disturbed)
        case .read, .create, .take: send(action, index, limit: local + .seconds(10), disturbed: disturbed)
        }
    }

    private mutating func send(_ action: LeaderElection.Action, _ index: Int, limit: Duration, disturbed: Bool) {
        let slow = disturbed && random(20) == 0
        let there = Duration.milliseconds(slow ? random(12_000) : random(200))
        let back = Duration.milliseconds(slow ? random(12_000) : random(200))
        let isLost = now < isAwayUntil || disturbed && random(50) == 0
        let answerIsLost = disturbed && random(50) == 0
        candidates[index].pending = Pending(
            action: action, started: now + candidates[index].offset, arrives: isLost ? nil : now + there,
            returns: isLost || answerIsLost ? nil : now + there + back, limit: limit)
    }

    private mutating func serve(_ action: LeaderElection.Action, _ index: Int) -> Answer {
        let identity = candidates[index].machine.settings.identity
        let duration = candidates[index].machine.settings.leaseDuration
        func written(_ transitions: Int) -> Answer {
            version += 1
            lease = LeaderElection.Record(
                holder: identity, duration: duration, transitions: transitions, resourceVersion: "\(version)")
            return .written("\(version)")
        }
        switch action {
        case .read: return .lease(lease)
        case .create: return lease == nil ? written(0) : .conflict
        case .take(let version, let transitions):
            return lease?.resourceVersion == version ? written(transitions + 1) : .conflict
        case .renew(let version, _):
            return lease?.resourceVersion == version ? written(lease?.transitions ?? 0) : .conflict
        case .wait, .giveUp: return .conflict
        }
    }

    private mutating func take(_ answer: Answer, started: Duration, _ index: Int, _ local: Duration) {
        switch answer {
        case .lease(let record): candidates[index].machine.observed(record, now: local)
        case .written(let version):
            if !candidates[index].machine.isLeading { terms += 1 }
            candidates[index].machine.wrote(resourceVersion: version, started: started)
        case .conflict: candidates[index].machine.failed(.conflict, now: local)
        }
    }
}

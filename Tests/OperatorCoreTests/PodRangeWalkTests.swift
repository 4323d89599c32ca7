// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Testing

@testable import OperatorCore

/// SkeinNodes on a server, people and agents that change them, and leaders of which the last may still be writing.
private struct PodRangeWorld {
    private struct Stored: Equatable {
        var uid: Int
        var version: Int
        var created: Int
        var ranges: [Prefix] = []
        var used: UInt64?
        var touched = 0

        func node(_ name: String) -> NodeRanges {
            let capacity = UInt64(ranges.filter(\.isIPv4).count) * 14
            return NodeRanges(
                name: name, uid: "\(uid)", version: "\(version)", created: "\(10_000 + created)", ranges: ranges,
                usage: used.map { .init(used: $0, available: capacity > $0 ? capacity - $0 : 0) })
        }
    }

    private struct Leader {
        var machine: PodRangeMachine
        /// What it was told.
        var told: [String: Stored] = [:]
        /// Events that are on their way to it.
        var events: [(String, Stored?)] = []
        var inFlight: [PodRangeMachine.Work] = []
        /// Answers that are on their way to it.
        var answers: [(PodRangeMachine.Work, PodRangeMachine.Outcome)] = []
    }

    private let settings: PodRangeSettings
    private var random: Walk
    private var now: Duration = .zero
    private var version = 0
    private var stored: [String: Stored] = [:]
    private var leader: Leader
    /// What leaders of the past have sent and is still on its way.
    private var ghosts: [PodRangeMachine.Work] = []
    private let people: Bool

    private(set) var violations: [String] = []
    private(set) var writes = 0

    init(seed: UInt64, people: Bool) throws {
        random = Walk(seed: seed)
        self.people = people
        var settings = PodRangeSettings()
        settings.ipv4 = ["10.0.0.0/24"].compactMap { Prefix($0) }
        settings.ipv4Length = 28
        settings.ipv6 = ["fd00::/112"].compactMap { Prefix($0) }
        settings.minimumFree = 4
        self.settings = settings
        leader = Leader(machine: try PodRangeMachine(settings))
        leader.machine.loaded()
    }

    mutating func step() throws {
        now += .milliseconds(Int.random(in: 0..<400, using: &random))
        if random.chance(30) { nodes() }
        if people, random.chance(5) { person() }
        if random.chance(2) { try change() }
        if random.chance(70) { work() }
        if !ghosts.isEmpty, random.chance(20) {
            _ = perform(ghosts.remove(at: Int.random(in: 0..<ghosts.count, using: &random)))
        }
        if !people { check() }
    }

    mutating func settle() throws {
        for work in ghosts { _ = perform(work) }
        ghosts = []
        for _ in 0..<3_000 {
            now += .milliseconds(400)
            work()
        }
        check()
        for (name, object) in stored {
            if object.ranges.allSatisfy(\.isIPv4) { violations.append("\(name) has no IPv6 range") }
            if !object.ranges.contains(where: \.isIPv4), freeSlots > 0 {
                violations.append("\(name) has no IPv4 range")
            }
        }
    }

    private var freeSlots: Int {
        let taken = stored.values.flatMap(\.ranges)
        return (0..<16).compactMap { Prefix("10.0.0.\($0 * 16)/28") }
            .count { slot in !taken.contains { $0.overlaps(slot) } }
    }

    private mutating func check() {
        var seen: [(Prefix, String)] = []
        for (name, object) in stored {
            for range in object.ranges {
                if let other = seen.first(where: { $0.0.overlaps(range) }) {
                    violations.append("\(now): \(range) of \(name) and \(other.0) of \(other.1)")
                }
                seen.append((range, name))
            }
        }
    }

    // MARK: Who changes objects

    private mutating func put(_ name: String, _ object: Stored?) {
        version += 1
        var object = object
        object?.version = version
        stored[name] = object
        leader.events.append((name, object))
    }

    private mutating func nodes() {
        let name = "node-\(Int.random(in: 0..<9, using: &random))"
        guard var object = stored[name] else {
            put(name, Stored(uid: version + 1, version: 0, created: version))
            return
        }
        if random.chance(25) {
            put(name, nil)
        } else {
            object.used = UInt64.random(in: 0..<30, using: &random)
            put(name, object)
        }
    }

    private mutating func person() {
        guard let name = stored.keys.sorted().randomElement(using: &random), var object = stored[name] else { return }
        if random.chance(50), !object.ranges.isEmpty {
            object.ranges.removeLast()
        } else if let range = Prefix(
            "10.0.0.\(Int.random(in: 0..<16, using: &random) * 16)/\(Int.random(in: 27..<30, using: &random))")
        {
            object.ranges.append(range)
        }
        put(name, object)
    }

    // MARK: Leaders

    /// Another one leads. It sees what there is at this moment; what the last one has sent may arrive much later.
    private mutating func change() throws {
        ghosts += leader.inFlight
        leader = Leader(machine: try PodRangeMachine(settings))
        for (name, object) in stored.sorted(by: { $0.key < $1.key }) { leader.machine.changed(object.node(name)) }
        leader.machine.loaded()
    }

    private mutating func work() {
        while !leader.events.isEmpty, random.chance(60) {
            let (name, object) = leader.events.removeFirst()
            if let object { leader.machine.changed(object.node(name)) } else { leader.machine.deleted(name) }
        }
        while leader.inFlight.count + leader.answers.count < 4, let work = leader.machine.next(now: now) {
            leader.inFlight.append(work)
        }
        while !leader.inFlight.isEmpty, random.chance(60) {
            let work = leader.inFlight.remove(at: Int.random(in: 0..<leader.inFlight.count, using: &random))
            leader.answers.append((work, perform(work)))
        }
        while !leader.answers.isEmpty, random.chance(60) {
            let (work, outcome) = leader.answers.removeFirst()
            // Some answers get lost, also of what worked.
            let isLost = random.chance(10)
            leader.machine.done(work, isLost ? .failure(.failed("no answer")) : outcome, now: now)
        }
    }

    private mutating func perform(_ work: PodRangeMachine.Work) -> PodRangeMachine.Outcome {
        let target = work.target
        guard var object = stored[target.name] else { return .failure(.gone) }
        guard "\(object.uid)" == target.uid else { return .failure(.conflict) }
        switch work {
        case .fence:
            guard "\(object.version)" == target.version else { return .failure(.conflict) }
            object.touched += 1
            put(target.name, object)
        case .write(_, let ranges, _):
            guard "\(object.version)" == target.version else { return .failure(.conflict) }
            object.ranges = ranges
            writes += 1
            put(target.name, object)
        case .report: break
        }
        return stored[target.name].map { .done($0.node(target.name)) } ?? .failure(.gone)
    }
}

@Suite struct PodRangeWalkTests {
    @Test(arguments: 0..<60) func `no address is ever in two nodes' ranges, whoever leads`(seed: UInt64) throws {
        var world = try PodRangeWorld(seed: seed, people: false)
        for _ in 0..<2_500 { try world.step() }
        #expect(world.violations == [])
        #expect(world.writes > 20)
        try world.settle()
        #expect(world.violations == [])
    }

    @Test(arguments: 0..<40) func `what people break is set right`(seed: UInt64) throws {
        var world = try PodRangeWorld(seed: seed, people: true)
        for _ in 0..<2_500 { try world.step() }
        try world.settle()
        #expect(world.violations == [])
    }
}

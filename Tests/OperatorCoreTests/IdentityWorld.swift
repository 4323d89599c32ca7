// SPDX-License-Identifier: Apache-2.0

@testable import OperatorCore

/// Agents, an API server and operators, in steps of some seconds. Everybody sees what the server has late.
struct IdentityWorld {
    private struct Stored: Equatable {
        var uid: Int
        var version: Int
        var mark: Duration?
    }

    private struct Agent {
        /// Numbers of its pods: what it tells in its slice, and what it looks after.
        var used: Set<UInt32> = []
        var published: Set<UInt32> = []
        /// What it has seen of the server's identities.
        var seen: [UInt32: Stored] = [:]
    }

    private let grace: Duration
    private var random: Walk
    private var now: Duration = .zero
    private var version = 0
    private var stored: [UInt32: Stored] = [:]
    private var agents: [Agent]
    private var slices: [Int: Set<UInt32>] = [:]
    private var lastUse: [UInt32: Duration] = [:]
    private var machine: IdentityMachine
    /// When this leader began, which is where its clock begins.
    private var start: Duration = .zero
    private var toldIdentities: [UInt32: Stored] = [:]
    private var toldSlices: [Int: Set<UInt32>] = [:]
    /// Sent, and not yet at the server.
    private var inFlight: [IdentityMachine.Work] = []

    private(set) var violations: [String] = []
    private(set) var deletions = 0

    init(seed: UInt64, grace: Duration) {
        self.grace = grace
        random = Walk(seed: seed)
        agents = Array(repeating: Agent(), count: 4)
        machine = IdentityMachine(grace: grace)
        lead()
    }

    /// Numbers that are there and that nobody uses.
    var unusedLeft: [UInt32] { stored.keys.filter { number in !agents.contains { $0.used.contains(number) } }.sorted() }

    mutating func step() {
        now += .seconds(Int.random(in: 0...5, using: &random))
        for index in agents.indices {
            // Watches lag by some steps, far less than the grace.
            if random.chance(50) { agents[index].seen = stored }
            pods(of: index)
            lookAfter(index)
            if random.chance(40) {
                agents[index].published = agents[index].used
                slices[index] = agents[index].used
            }
        }
        operate()
        if random.chance(1) { lead() }
        for agent in agents { for number in agent.used { lastUse[number] = now } }
    }

    /// Nobody changes anything until all is as it stays.
    mutating func settle() {
        for index in agents.indices {
            agents[index].used = []
            slices[index] = []
        }
        for _ in 0..<400 {
            now += .seconds(5)
            for index in agents.indices { agents[index].seen = stored }
            operate()
        }
    }

    private mutating func pods(of index: Int) {
        let number = UInt32.random(in: 300..<310, using: &random)
        if random.chance(20) { agents[index].used.remove(number) }
        guard random.chance(15) else { return }
        // A pod starts: an identity that is seen unmarked is used as it is; else the agent makes sure first.
        if let seen = agents[index].seen[number], seen.mark == nil {
            agents[index].used.insert(number)
        } else {
            touch(number)
            agents[index].used.insert(number)
        }
    }

    /// What an agent owes the identities that it uses.
    private mutating func lookAfter(_ index: Int) {
        for number in agents[index].used {
            let seen = agents[index].seen[number]
            if seen == nil || seen?.mark != nil { touch(number) }
        }
    }

    /// Takes a mark away, or makes the identity.
    private mutating func touch(_ number: UInt32) {
        version += 1
        guard var old = stored[number] else {
            stored[number] = Stored(uid: version, version: version)
            return
        }
        guard old.mark != nil else { return }
        (old.mark, old.version) = (nil, version)
        stored[number] = old
    }

    // MARK: Operator

    /// Another leader begins. What the last one sent may still arrive.
    private mutating func lead() {
        machine = IdentityMachine(grace: grace)
        start = now
        (toldIdentities, toldSlices) = ([:], [:])
        tell()
        machine.slicesLoaded(now: .zero)
        machine.identitiesLoaded(now: .zero)
    }

    private mutating func tell() {
        let clock = now - start
        for (number, object) in stored where toldIdentities[number] != object {
            machine.identityChanged(
                number, uid: "\(object.uid)", version: "\(object.version)", age: object.mark.map { now - $0 },
                now: clock)
        }
        for number in toldIdentities.keys where stored[number] == nil { machine.identityDeleted(number) }
        toldIdentities = stored
        for (index, numbers) in slices where toldSlices[index] != numbers {
            machine.sliceChanged("slice-\(index)", numbers.sorted(), now: clock)
        }
        toldSlices = slices
    }

    private mutating func operate() {
        if random.chance(60) { tell() }
        while inFlight.count < 3, let work = machine.next(now: now - start) { inFlight.append(work) }
        while let work = inFlight.first, random.chance(70) {
            inFlight.removeFirst()
            machine.done(work, perform(work), now: now - start)
        }
    }

    private mutating func perform(_ work: IdentityMachine.Work) -> IdentityMachine.Outcome {
        version += 1
        switch work {
        case .mark(let name, let uid, let seen): return write(name, uid, seen) { [now] in $0.mark = now }
        case .unmark(let name, let uid, let seen): return write(name, uid, seen) { $0.mark = nil }
        case .delete(let name, let uid, let seen):
            guard let number = UInt32(name), let old = stored[number] else { return .failure(.gone) }
            guard "\(old.uid)" == uid, "\(old.version)" == seen else { return .failure(.conflict) }
            stored[number] = nil
            deletions += 1
            if let used = lastUse[number], now - used < grace / 4 {
                violations.append("\(number) was deleted \(now - used) after its last use")
            }
            return .done
        }
    }

    private mutating func write(
        _ name: String, _ uid: String, _ seen: String, _ change: (inout Stored) -> Void
    ) -> IdentityMachine.Outcome {
        guard let number = UInt32(name), var old = stored[number] else { return .failure(.gone) }
        guard "\(old.uid)" == uid, "\(old.version)" == seen else { return .failure(.conflict) }
        change(&old)
        old.version = version
        stored[number] = old
        return .done
    }
}

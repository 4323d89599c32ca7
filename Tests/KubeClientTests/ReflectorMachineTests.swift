// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import KubeClient

extension ReflectorMachine {
    fileprivate var afterGone: Action {
        var machine = self
        _ = machine.watchEnded(.gone, isBrief: true)
        return machine.slept()
    }
}

@Suite struct ReflectorMachineTests {
    private func watching(from version: String = "5") -> ReflectorMachine {
        var machine = ReflectorMachine()
        _ = machine.start()
        _ = machine.listed(version: version)
        return machine
    }

    @Test func `it lists, then watches from there`() {
        var machine = ReflectorMachine()
        #expect(machine.start() == .list(.any))
        #expect(machine.listed(version: "5") == .watch(from: "5"))
        #expect(machine.failures == 0)
    }

    @Test func `a failed list is tried again, later and later`() {
        var machine = ReflectorMachine()
        _ = machine.start()
        for attempt in 1...5 {
            #expect(machine.listFailed(.other) == .sleep(attempt: attempt))
            #expect(machine.slept() == .list(.any))
        }
        #expect(machine.listFailed(.unservable) == .sleep(attempt: 6))
        #expect(machine.slept() == .list(.latest))
        #expect(machine.listFailed(.other) == .sleep(attempt: 7))
        #expect(machine.slept() == .list(.latest))
        #expect(machine.listed(version: "9") == .watch(from: "9"))
    }

    @Test func `a watch goes on where it was, by event or bookmark`() {
        var machine = watching()
        machine.watchProgressed(to: "7")
        machine.watchProgressed(to: "")
        #expect(machine.watchEnded(.closed, isBrief: true) == .watch(from: "7"))
        #expect(machine.watchEnded(.closed, isBrief: false) == .watch(from: "7"))
        #expect(machine.watchEnded(.stalled, isBrief: false) == .watch(from: "7"))
    }

    @Test(arguments: [ReflectorMachine.WatchEnd.closed, .failed])
    func `watches that end at once are tried later and later`(end: ReflectorMachine.WatchEnd) {
        var machine = watching()
        for attempt in 1...5 {
            #expect(machine.watchEnded(end, isBrief: true) == .sleep(attempt: attempt))
            #expect(machine.slept() == .watch(from: "5"))
        }
        machine.watchProgressed(to: "6")
        #expect(machine.failures == 0)
        #expect(machine.watchEnded(.failed, isBrief: false) == .sleep(attempt: 1))
    }

    @Test func `410 forces a list that is not behind what is known, after a wait`() {
        var machine = watching()
        #expect(machine.watchEnded(.gone, isBrief: true) == .sleep(attempt: 1))
        #expect(machine.slept() == .list(.notOlderThan("5")))
        #expect(machine.listed(version: "8") == .watch(from: "8"))
        #expect(machine.watchEnded(.gone, isBrief: true) == .sleep(attempt: 2))
        #expect(machine.slept() == .list(.notOlderThan("8")))
        #expect(machine.listFailed(.other) == .sleep(attempt: 3))
        #expect(machine.slept() == .list(.notOlderThan("8")))
        #expect(machine.listFailed(.unservable) == .sleep(attempt: 4))
        #expect(machine.slept() == .list(.latest))
        #expect(machine.listed(version: "9") == .watch(from: "9"))
        machine.watchProgressed(to: "10")
        #expect(machine.watchEnded(.gone, isBrief: true) == .sleep(attempt: 1))
        #expect(machine.slept() == .list(.notOlderThan("10")))
        #expect(watching(from: "").afterGone == .list(.latest))
    }

    /// All sequences of eight things that can happen, from the start: after each there is one next thing to do, it
    /// watches only from a version that it was told, never sleeps twice in a row, and does nothing more than twice
    /// without waiting, unless it got on.
    @Test func `every sequence of events leads on`() {
        struct Walk {
            var machine: ReflectorMachine
            var action: ReflectorMachine.Action
            var versions: Set<String>
            var withoutWait = 0
        }
        var count = 0
        func explore(_ walk: Walk, depth: Int) {
            guard depth > 0 else {
                count += 1
                return
            }
            func go(_ isProgress: Bool, _ step: (inout Walk) -> Void) {
                var next = walk
                step(&next)
                if case .sleep = next.action {
                    if case .sleep = walk.action { Issue.record("it sleeps after sleeping") }
                    next.withoutWait = 0
                } else if case .sleep = walk.action {
                    next.withoutWait = 0
                } else {
                    next.withoutWait = isProgress ? 0 : walk.withoutWait + 1
                }
                if case .watch(let version) = next.action, !next.versions.contains(version) {
                    Issue.record("it watches from \(version), which nobody told")
                }
                // A list, and the watch after it.
                if next.withoutWait > 2 { Issue.record("it loops without waiting") }
                explore(next, depth: depth - 1)
            }
            switch walk.action {
            case .list:
                go(false) {
                    $0.versions.insert("l\(depth)")
                    $0.action = $0.machine.listed(version: "l\(depth)")
                }
                go(false) { $0.action = $0.machine.listFailed(.other) }
                go(false) { $0.action = $0.machine.listFailed(.unservable) }
            case .watch:
                for end in [ReflectorMachine.WatchEnd.closed, .gone, .failed] {
                    go(false) { $0.action = $0.machine.watchEnded(end, isBrief: true) }
                    go(true) {
                        $0.versions.insert("w\(depth)")
                        $0.machine.watchProgressed(to: "w\(depth)")
                        $0.action = $0.machine.watchEnded(end, isBrief: true)
                    }
                }
                go(true) { $0.action = $0.machine.watchEnded(.stalled, isBrief: false) }
                go(true) { $0.action = $0.machine.watchEnded(.closed, isBrief: false) }
            case .sleep:
                go(false) { $0.action = $0.machine.slept() }
            }
        }
        var machine = ReflectorMachine()
        let action = machine.start()
        explore(Walk(machine: machine, action: action, versions: []), depth: 8)
        #expect(count > 10_000)
    }
}

@Suite struct KnownObjectsTests {
    private func key(_ number: Int) -> ObjectKey { ObjectKey(namespace: "n\(number % 3)", name: "o\(number)") }

    @Test func `only what a complete list lacks is gone`() {
        var known = KnownObjects()
        known.beginList()
        #expect(known.listed(key(1), version: "1") == true)
        #expect(known.listed(key(2), version: "1") == true)
        #expect(known.listed(key(3), version: "1") == true)
        #expect(known.endList().isEmpty)
        known.beginList()
        #expect(known.listed(key(1), version: "1") == false)
        // It breaks off and begins anew: what the first half told counts no more.
        known.beginList()
        #expect(known.listed(key(2), version: "2") == true)
        #expect(known.endList() == [key(3), key(1)].sorted())
        #expect(known.count == 1)
    }

    @Test func `an empty version is always news`() {
        var known = KnownObjects()
        #expect(known.changed(key(1), version: "") == true)
        #expect(known.changed(key(1), version: "") == true)
    }

    /// A server that changes at random, watched and listed at random: who follows the changes has what the server has.
    @Test(arguments: 0..<20)
    func `whoever follows has what is there`(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        func random(_ limit: Int) -> Int { Int.random(in: 0..<limit, using: &generator) }
        var server: [ObjectKey: Int] = [:]
        var follower: [ObjectKey: Int] = [:]
        var known = KnownObjects()
        var version = 0
        var isFollowing = false
        func tell(_ key: ObjectKey, _ version: Int) {
            if known.changed(key, version: "\(version)") { follower[key] = version }
        }
        for _ in 0..<400 {
            if random(20) == 0 { isFollowing = false }
            version += 1
            let key = key(random(30))
            if random(3) == 0 {
                if server.removeValue(forKey: key) != nil, isFollowing, known.deleted(key) { follower[key] = nil }
            } else {
                server[key] = version
                if isFollowing { tell(key, version) }
            }
            if !isFollowing, random(4) == 0 {
                known.beginList()
                if random(3) == 0 {
                    // It breaks off.
                    for (key, version) in server.prefix(random(10)) where known.listed(key, version: "\(version)") {
                        follower[key] = version
                    }
                    continue
                }
                for (key, version) in server where known.listed(key, version: "\(version)") { follower[key] = version }
                for key in known.endList() { follower[key] = nil }
                isFollowing = true
            }
            if isFollowing {
                #expect(follower == server)
                #expect(known.count == server.count)
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Deletes SkeinIdentities that no SkeinEndpointSlice names.
///
/// How an identity goes, and what keeps it:
/// 1. No slice names it for half of the grace: it is marked (see ``IdentityRecord/markKey``).
/// 2. It stays marked and unnamed for the other half: it is deleted, if it is still in the version that was marked.
/// 3. A slice that names a marked one has the mark taken away here. That is a new version, and the time begins anew.
/// 4. An agent whose identity is deleted under its feet makes it again, under the same number: one that was cut off for
///    longer than the grace, or one that took up a marked number so late that the deletion was sent before its slice
///    was told. Agents change no identity, so nothing keeps the latter from happening: its pod is refused by policies
///    that name labels until the other nodes are told of the number again.
///
/// Marks outlive a leader; what a new one finds marked, it deletes when the mark is old enough, but not before it has
/// watched for a while, as clocks may differ.
package struct IdentityMachine: WorkMachine {
    package enum Work: Hashable, Sendable {
        /// Mark it, if it is in that version.
        case mark(name: String, uid: String, version: String)
        case unmark(name: String, uid: String, version: String)
        /// Delete it, if it is in that version.
        case delete(name: String, uid: String, version: String)
    }

    package enum Outcome: Hashable, Sendable {
        case done
        case failure(WriteFailure)
    }

    private struct Entry {
        let uid: String
        var version: String
        /// When a mark that it bears was, or would have been, set by our clock.
        var marked: Duration?
        /// Since when it is not named, as far as we saw.
        var unused: Duration
        var spentVersion: String?
        var isBusy = false
        var failures = 0
    }

    private let grace: Duration
    private var half: Duration { grace / 2 }
    /// The shortest time that a leader watches before it deletes.
    private var settling: Duration { min(half, .seconds(60)) }
    private var isLoaded = (slices: false, identities: false)
    private var entries: [UInt32: Entry] = [:]
    private var slices: [String: [UInt32]] = [:]
    /// How many slices name a number.
    private var uses: [UInt32: Int] = [:]
    /// Slices that can't be read: any identity may be in them.
    private var unreadable: Set<String> = []
    private var timetable = Timetable<UInt32>()
    private var queue = WorkQueue<UInt32>()

    package init(grace: Duration) {
        self.grace = grace
    }

    package var count: Int { entries.count }
    package var usedCount: Int { uses.count }
    /// Something keeps identities from being deleted.
    package var isBlocked: Bool { !unreadable.isEmpty }

    private var isReady: Bool { isLoaded.slices && isLoaded.identities }

    // MARK: What is told

    package mutating func slicesLoaded(now: Duration) {
        isLoaded.slices = true
        begin(now: now)
    }

    package mutating func identitiesLoaded(now: Duration) {
        isLoaded.identities = true
        begin(now: now)
    }

    private mutating func begin(now: Duration) {
        guard isReady else { return }
        for number in entries.keys {
            entries[number]?.unused = now
            review(number)
        }
    }

    /// `age`: how long ago it was marked, by its mark; nil if it bears none. Never negative.
    package mutating func identityChanged(_ number: UInt32, uid: String, version: String, age: Duration?, now: Duration)
    {
        var entry = entries[number] ?? Entry(uid: uid, version: version, unused: now)
        if entry.uid != uid { entry = Entry(uid: uid, version: version, unused: now) }
        // Somebody took it up.
        if age == nil, entry.marked != nil { entry.unused = now }
        entry.version = version
        entry.marked = age.map { now - $0 }
        entries[number] = entry
        review(number)
    }

    package mutating func identityDeleted(_ number: UInt32) {
        entries[number] = nil
        timetable.remove(number)
    }

    package mutating func sliceChanged(_ name: String, _ numbers: [UInt32], now: Duration) {
        if unreadable.remove(name) != nil, unreadable.isEmpty { unblocked() }
        let old = slices.updateValue(numbers, forKey: name) ?? []
        count(numbers, old, now: now)
    }

    package mutating func sliceDeleted(_ name: String, now: Duration) {
        if unreadable.remove(name) != nil, unreadable.isEmpty { unblocked() }
        count([], slices.removeValue(forKey: name) ?? [], now: now)
    }

    /// It is there, and nobody knows what it says.
    package mutating func sliceUnreadable(_ name: String) {
        unreadable.insert(name)
    }

    private mutating func unblocked() {
        for number in entries.keys where uses[number] == nil { review(number) }
    }

    private mutating func count(_ new: [UInt32], _ old: [UInt32], now: Duration) {
        for number in new { uses[number, default: 0] += 1 }
        for number in old {
            let left = (uses[number] ?? 0) - 1
            uses[number] = left > 0 ? left : nil
            if left <= 0 { entries[number]?.unused = now }
        }
        for number in Set(new).symmetricDifference(old) { review(number) }
    }

    // MARK: What is to be done

    package var wake: Duration? { isReady ? timetable.first : nil }

    /// Sets when there is something to do for it.
    private mutating func review(_ number: UInt32) {
        guard isReady, let entry = entries[number], !entry.isBusy else { return }
        if uses[number] != nil {
            timetable.remove(number)
            if entry.marked != nil { queue.append(number) }
        } else {
            timetable.set(number, due: Self.due(entry, half: half, settling: settling))
        }
    }

    private static func due(_ entry: Entry, half: Duration, settling: Duration) -> Duration {
        guard let marked = entry.marked else { return entry.unused + half }
        return max(marked + half, entry.unused + settling)
    }

    package mutating func next(now: Duration) -> Work? {
        guard isReady else { return nil }
        while let number = timetable.popDue(now: now) { queue.append(number) }
        while let number = queue.popFirst() {
            guard let entry = entries[number], !entry.isBusy, entry.spentVersion != entry.version,
                let work = work(for: number, entry, now: now)
            else { continue }
            entries[number]?.isBusy = true
            return work
        }
        return nil
    }

    private func work(for number: UInt32, _ entry: Entry, now: Duration) -> Work? {
        let name = "\(number)"
        if uses[number] != nil {
            return entry.marked == nil ? nil : .unmark(name: name, uid: entry.uid, version: entry.version)
        }
        guard !isBlocked, Self.due(entry, half: half, settling: settling) <= now else { return nil }
        return entry.marked == nil
            ? .mark(name: name, uid: entry.uid, version: entry.version)
            : .delete(name: name, uid: entry.uid, version: entry.version)
    }

    package mutating func done(_ work: Work, _ outcome: Outcome, now: Duration) {
        let (number, uid, version) = work.target
        guard entries[number]?.uid == uid else { return }
        entries[number]?.isBusy = false
        switch outcome {
        case .failure(.failed), .failure(.refused):
            let failures = (entries[number]?.failures ?? 0) + 1
            entries[number]?.failures = failures
            timetable.set(number, due: now + retryDelay(attempt: failures))
        case .done, .failure(.conflict), .failure(.gone):
            entries[number]?.failures = 0
            // It is in another version, or will be told as such.
            entries[number]?.spentVersion = version
            review(number)
        }
    }
}

extension IdentityMachine.Work {
    fileprivate var target: (number: UInt32, uid: String, version: String) {
        switch self {
        case .mark(let name, let uid, let version), .unmark(let name, let uid, let version),
            .delete(let name, let uid, let version):
            (UInt32(name) ?? 0, uid, version)
        }
    }
}

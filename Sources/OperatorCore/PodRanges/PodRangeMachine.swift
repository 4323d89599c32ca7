// SPDX-License-Identifier: Apache-2.0
package import IPAM
import KubeClient
package import NetTypes

/// Gives every SkeinNode pod ranges of its own out of the cluster's, and more when it runs short.
///
/// No address is ever in the ranges of two nodes:
/// - What a node's object says, and what was decided for it and may or may not have been written, is claimed in the
///   pools. It is given back when the object is gone, or no longer says so though it did.
/// - Every write names the object's uid and version, so it can't make an object, or change one that nobody here has seen.
/// - A former leader's write may still be on its way. Before anything is given away, each node that it could have been
///   writing to is therefore touched ("fenced"), so that it has another version than that write names.
/// - Two objects that say the same range are set right: the older object keeps it, among those that are there when we
///   begin; afterwards who had it first. The other one loses it, gets one of its own, and a condition that says so.
package struct PodRangeMachine: WorkMachine {
    /// More are refused by the schema.
    package static let maximumRanges = 64

    /// An object as it must still be for a write to succeed.
    package struct Target: Hashable, Sendable {
        package let name: String
        package let uid: String
        package let version: String
    }

    package enum Work: Hashable, Sendable {
        /// Change its version, and nothing that anybody reads.
        case fence(Target)
        /// All its ranges. `lost` says, for a person, which of those that it names it can't have, and why.
        case write(Target, [Prefix], lost: [String])
        case report(Target, NodeRanges.Condition)
    }

    package enum Outcome: Hashable, Sendable {
        /// As the server has it now.
        case done(NodeRanges)
        case failure(WriteFailure)
    }

    struct Entry {
        /// As it was told last.
        var node: NodeRanges
        /// The newest version that we know of.
        var version: String
        /// Of the ranges that the object says: those that are its own.
        var own: [Prefix] = []
        /// Its own too, but the object was not seen to say so yet.
        var pending: [Prefix] = []
        /// What the object says and can't have, and why.
        var lost: [String] = []
        /// What was taken away from it.
        var note: String?
        /// Why it does not have what it needs.
        var problem: String?
        /// Versions that the object has left behind, the last few: a write on one of them is in vain.
        var superseded: [String] = []
        /// The version that our last write made, until it is told: what we know of the object is older.
        var awaited: String?
        /// Something of ``pending`` may be written already, or may be still.
        var isUnsure = false
        var reported: NodeRanges.Condition?
        var isBusy = false
        var failures = 0

        init(_ node: NodeRanges) {
            self.node = node
            version = node.metadata.resourceVersion
        }

        var target: Target { Target(name: node.metadata.name, uid: node.metadata.uid, version: version) }

        /// A write would not be in vain.
        var isWritable: Bool { awaited == nil && !superseded.contains(version) }

        mutating func leave(_ version: String) {
            if !superseded.contains(version) { superseded.append(version) }
            if superseded.count > 8 { superseded.removeFirst() }
        }
    }

    private enum Phase {
        /// Not all objects are known.
        case loading
        case fencing
        case allocating
    }

    let minimumFree: UInt64
    var pools: PodRangePools
    var entries: [String: Entry] = [:]
    private var phase = Phase.loading
    private var unfenced: Set<String> = []
    private var queue = WorkQueue<String>()
    /// Nodes that nothing was left for.
    private var unserved = WorkQueue<String>()
    private var retries = Timetable<String>()

    package init(_ settings: PodRangeSettings) throws(PrefixPoolError) {
        pools = try PodRangePools(settings)
        minimumFree = settings.minimumFree
    }

    // MARK: What is told

    /// It is new, or has changed.
    package mutating func changed(_ node: NodeRanges) {
        let name = node.metadata.name
        if let entry = entries[name], entry.node.metadata.uid != node.metadata.uid { deleted(name) }
        entries[name, default: Entry(node)].node = node
        entries[name]?.version = node.metadata.resourceVersion
        // What is told is what we waited for, or later, unless we know that it is older.
        if let entry = entries[name], !entry.superseded.contains(entry.version) { entries[name]?.awaited = nil }
        guard phase != .loading else { return }
        adopt(name)
        queue.append(name)
    }

    package mutating func deleted(_ name: String) {
        guard let entry = entries.removeValue(forKey: name) else { return }
        release(entry.own + entry.pending, of: name)
        retries.remove(name)
        fenced(name)
    }

    /// All objects that there are have been told.
    package mutating func loaded() {
        guard phase == .loading else { return }
        let names = namesByAge
        // A wide range that somebody wrote into an object must not take away those that were handed out.
        for name in names { adopt(name, slotsOnly: true) }
        for name in names { adopt(name) }
        pools.resumeAfterClaims()
        unfenced = Set(names.filter(isWanting))
        phase = unfenced.isEmpty ? .allocating : .fencing
        for name in names { queue.append(name) }
    }

    private var namesByAge: [String] {
        entries.values.map { ($0.node.created, $0.node.metadata.name) }.sorted { $0 < $1 }.map(\.1)
    }

    // MARK: What is to be done

    package var wake: Duration? { phase == .loading ? nil : retries.first }

    package mutating func next(now: Duration) -> Work? {
        guard phase != .loading else { return nil }
        while let name = retries.popDue(now: now) { queue.append(name) }
        while let name = queue.popFirst() {
            guard let entry = entries[name], !entry.isBusy, !retries.contains(name) else { continue }
            if phase == .fencing {
                guard unfenced.contains(name), entry.isWritable else { continue }
                entries[name]?.isBusy = true
                return .fence(entry.target)
            }
            serve(name)
            if let work = work(for: name) {
                entries[name]?.isBusy = true
                return work
            }
        }
        return nil
    }

    private mutating func work(for name: String) -> Work? {
        guard let entry = entries[name] else { return nil }
        if !isWanting(name) {
            // It needed more once. Another leader, who sees only what the object says, would not expect a write to it.
            if entry.isUnsure, entry.isWritable { return .fence(entry.target) }
            if !entry.isUnsure, !entry.pending.isEmpty {
                entries[name]?.pending = []
                release(entry.pending, of: name)
            }
        } else if !entry.pending.isEmpty || !entry.lost.isEmpty {
            return entry.isWritable ? .write(entry.target, entry.own + entry.pending, lost: entry.lost) : nil
        }
        if let condition = entry.wantedCondition, condition != entry.node.condition, condition != entry.reported {
            return .report(entry.target, condition)
        }
        return nil
    }

    /// Finds ranges for what it needs; notes if there are none.
    private mutating func serve(_ name: String) {
        guard let entry = entries[name] else { return }
        let missing = missingRanges(of: entry, entry.own + entry.pending)
        var problem = missing.problem
        for family in missing.families {
            guard let range = pools[family]?.allocate(to: name) else {
                problem = "the cluster's pool has no free \(family.name) range left"
                continue
            }
            entries[name]?.pending.append(range)
        }
        entries[name]?.problem = problem
        if problem != nil { unserved.append(name) }
    }

    // MARK: How it went

    package mutating func done(_ work: Work, _ outcome: Outcome, now: Duration) {
        let target = work.target
        // Another object has this name by now: its own work is not done.
        guard entries[target.name]?.node.metadata.uid == target.uid else { return }
        entries[target.name]?.isBusy = false
        switch (work, outcome) {
        case (.write, .failure(.failed)):
            unsure(target.name)
            retry(target.name, now: now)
        case (_, .failure(.failed)):
            retry(target.name, now: now)
        case (.fence, .done(let node)):
            let isNew = adoptUnseen(node)
            wrote(target, node, isSeen: !isNew)
            // Whatever was sent before has arrived, or never will.
            entries[target.name]?.isUnsure = isNew
            fenced(target.name)
        case (.fence, .failure(.refused)):
            // What refuses this refuses the other write as well.
            fenced(target.name)
        case (.write(_, _, let lost), .done(let node)):
            wrote(target, node, isSeen: false)
            unsure(target.name)
            if !lost.isEmpty { entries[target.name]?.note = "taken away: " + lost.joined(separator: "; ") }
        case (.write, .failure(.refused)):
            retry(target.name, now: now)
        case (.report(_, let condition), _):
            // Also if it was refused: that is no reason to try for ever.
            entries[target.name]?.reported = condition
        case (_, .failure):
            entries[target.name]?.failures = 0
            entries[target.name]?.leave(target.version)
        }
        queue.append(target.name)
    }

    /// A write on one version made another. `isSeen`: it is as we know it, but for the version.
    private mutating func wrote(_ target: Target, _ node: NodeRanges, isSeen: Bool) {
        guard var entry = entries[target.name] else { return }
        entry.failures = 0
        entry.leave(target.version)
        // Otherwise something was told meanwhile, and counts.
        if entry.version == target.version {
            entry.version = node.metadata.resourceVersion
            if !isSeen { entry.awaited = entry.version }
        }
        entries[target.name] = entry
    }

    /// What is planned may be written; what was told since is not planned any more.
    private mutating func unsure(_ name: String) {
        guard let entry = entries[name] else { return }
        entries[name]?.isUnsure = !entry.pending.isEmpty
    }

    private mutating func retry(_ name: String, now: Duration) {
        let failures = (entries[name]?.failures ?? 0) + 1
        entries[name]?.failures = failures
        retries.set(name, due: now + retryDelay(attempt: failures))
    }

    private mutating func fenced(_ name: String) {
        guard unfenced.remove(name) != nil, unfenced.isEmpty, phase == .fencing else { return }
        phase = .allocating
        // What was put off.
        for name in namesByAge { queue.append(name) }
    }

    /// Whoever waits for a range may get one now.
    mutating func release(_ ranges: [Prefix], of name: String) {
        for range in ranges { pools.release(range, of: name) }
        guard !ranges.isEmpty else { return }
        while let name = unserved.popFirst() { queue.append(name) }
    }
}

extension PodRangeMachine.Work {
    package var target: PodRangeMachine.Target {
        switch self {
        case .fence(let target), .write(let target, _, _), .report(let target, _): target
        }
    }
}

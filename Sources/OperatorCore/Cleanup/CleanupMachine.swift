// SPDX-License-Identifier: Apache-2.0
import KubeClient

/// Deletes SkeinNodes whose Node is gone, and SkeinEndpointSlices whose SkeinNode is, each after a grace.
///
/// What is told of three kinds comes at different times, and may be late by minutes where a watch hangs. So each deletion
/// asks the server once more before: see ``Work``.
package struct CleanupMachine: WorkMachine {
    package enum Kind: Hashable, CaseIterable, Sendable {
        case nodes
        case skeinNodes
        case slices
    }

    package enum Work: Hashable, Sendable {
        /// A SkeinNode, unless there is a Node of its name.
        case deleteNode(name: String, uid: String)
        /// A slice as it is in this version, unless the SkeinNode of that name is among the owners, by their uids.
        case deleteSlice(name: String, uid: String, version: String, node: String, owners: [String])
    }

    package enum Outcome: Hashable, Sendable {
        case deleted
        /// It is needed, the server says.
        case kept
        case failure(WriteFailure)
    }

    private enum Key: Hashable {
        case node(String)
        case slice(String)
    }

    private struct Slice {
        let uid: String
        let version: String
        let node: String
        let owners: [String]
    }

    private let grace: Duration
    private var unloaded = Set(Kind.allCases)
    private var nodes: Set<String> = []
    /// Name and uid.
    private var skeinNodes: [String: String] = [:]
    private var slices: [String: Slice] = [:]
    private var slicesByNode: [String: Set<String>] = [:]
    /// When orphans go.
    private var timetable = Timetable<Key>()
    private var busy: Set<Key> = []
    private var failures: [Key: Int] = [:]

    package init(grace: Duration) {
        self.grace = grace
    }

    /// Objects that are to go, if nothing changes.
    package var orphanCount: Int { timetable.count + busy.count }

    // MARK: What is told

    package mutating func loaded(_ kind: Kind, now: Duration) {
        guard unloaded.remove(kind) != nil, unloaded.isEmpty else { return }
        for name in skeinNodes.keys { review(.node(name), now: now) }
        for name in slices.keys { review(.slice(name), now: now) }
    }

    package mutating func nodeChanged(_ name: String, isThere: Bool, now: Duration) {
        if isThere { nodes.insert(name) } else { nodes.remove(name) }
        review(.node(name), now: now)
    }

    /// `uid` nil: there is none.
    package mutating func skeinNodeChanged(_ name: String, uid: String?, now: Duration) {
        guard skeinNodes[name] != uid else { return }
        skeinNodes[name] = uid
        review(.node(name), now: now)
        for slice in slicesByNode[name] ?? [] { review(.slice(slice), now: now) }
    }

    package mutating func sliceChanged(_ slice: SliceUse, now: Duration) {
        let name = slice.metadata.name
        sliceForgotten(name)
        slices[name] = Slice(
            uid: slice.metadata.uid, version: slice.metadata.resourceVersion, node: slice.node,
            owners: slice.metadata.ownerReferences.map(\.uid))
        slicesByNode[slice.node, default: []].insert(name)
        review(.slice(name), now: now)
    }

    package mutating func sliceDeleted(_ name: String, now: Duration) {
        sliceForgotten(name)
        review(.slice(name), now: now)
    }

    private mutating func sliceForgotten(_ name: String) {
        guard let old = slices.removeValue(forKey: name) else { return }
        slicesByNode[old.node]?.remove(name)
        if slicesByNode[old.node]?.isEmpty ?? false { slicesByNode[old.node] = nil }
    }

    /// An orphan's time begins when it is first seen as one, and ends when it is none.
    private mutating func review(_ key: Key, now: Duration) {
        guard unloaded.isEmpty else { return }
        guard isOrphan(key) else {
            timetable.remove(key)
            failures[key] = nil
            return
        }
        if !timetable.contains(key), !busy.contains(key) { timetable.set(key, due: now + grace) }
    }

    private func isOrphan(_ key: Key) -> Bool {
        switch key {
        case .node(let name): return skeinNodes[name] != nil && !nodes.contains(name)
        case .slice(let name):
            guard let slice = slices[name] else { return false }
            guard let uid = skeinNodes[slice.node] else { return true }
            return !slice.owners.contains(uid)
        }
    }

    // MARK: What is to be done

    package var wake: Duration? { timetable.first }

    package mutating func next(now: Duration) -> Work? {
        while let key = timetable.popDue(now: now) {
            guard isOrphan(key), let work = work(for: key) else { continue }
            busy.insert(key)
            return work
        }
        return nil
    }

    private func work(for key: Key) -> Work? {
        switch key {
        case .node(let name):
            return skeinNodes[name].map { .deleteNode(name: name, uid: $0) }
        case .slice(let name):
            return slices[name].map {
                .deleteSlice(
                    name: name, uid: $0.uid, version: $0.version, node: $0.node, owners: $0.owners)
            }
        }
    }

    package mutating func done(_ work: Work, _ outcome: Outcome, now: Duration) {
        let key: Key =
            switch work {
            case .deleteNode(let name, _): .node(name)
            case .deleteSlice(let name, _, _, _, _): .slice(name)
            }
        busy.remove(key)
        guard isOrphan(key) else {
            failures[key] = nil
            return
        }
        if case .failure(.failed) = outcome {
            failures[key, default: 0] += 1
            timetable.set(key, due: now + retryDelay(attempt: failures[key] ?? 1))
            return
        }
        failures[key] = nil
        // Deleted, but not told yet; or seen differently by the server, of which we hear as well.
        timetable.set(key, due: now + max(grace, .seconds(1)))
    }
}

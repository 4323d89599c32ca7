// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Kernel
import NetTypes
package import PolicyEngine

/// A policy row's key as a Swift value.
struct PolicyRowReference: Hashable {
    let policy: UInt32
    let classDirection: UInt32

    init(_ key: PolicyRowKey) {
        policy = key.policy
        classDirection = key.classID << 1 | UInt32(key.direction.rawValue)
    }

    init(stored key: policy_key) {
        policy = key.policy
        classDirection = key.class_dir
    }

    var key: policy_key { policy_key(policy: policy, class_dir: classDirection) }
}

/// What may only be done when no packet reads the dead views and the old rows any more.
struct Leftover {
    var views: [(endpoint: UInt16, view: EndpointView)] = []
    var rows: [PolicyRowKey] = []
    var needsGrace = false
}

extension Datapath {
    /// Makes a changeset live. Its views switch all at once, by one word; every write before that changes no verdict.
    ///
    /// Rows that nothing uses any more are deleted by `settle`, which the next `apply` does first.
    ///
    /// Throws when a map is full, naming it, its size and its setting; then everything is as before. The compiler that
    /// made the changeset is ahead of the maps in that case: start over with a new `Datapath` from its whole state.
    @discardableResult
    package func apply(_ changes: Changeset) throws -> ApplyReport {
        try settle()
        try check(changes)
        var undo = UndoLog()
        var report = ApplyReport()
        do {
            try write(changes, &undo, &report)
        } catch {
            rollBack(undo)
            throw error
        }

        // Views of endpoints that have no element yet are not read by anyone: no need to switch for them.
        let live = changes.views.filter { endpoints[$0.endpoint] != nil }
        for (number, view) in changes.views where endpoints[number] == nil { storeView(number, view, in: [0, 1]) }
        let dead = Int(shared.epoch & 1) ^ 1
        for (number, view) in live { storeView(number, view, in: [dead]) }
        report.views = changes.views.count
        if !live.isEmpty {
            shared.bump(by: 1)
        } else if changes.judgeAgain {
            shared.bump(by: 2)
        }
        report.bumped = !live.isEmpty || changes.judgeAgain

        if !live.isEmpty || !changes.removedRows.isEmpty {
            leftover = Leftover(views: live, rows: changes.removedRows, needsGrace: true)
        }
        for address in changes.removedPeers where try set.pods.delete(dp_addr(address)) { report.removed += 1 }
        for prefix in changes.removedPrefixes where try set.cidrs.delete(cidr_key(prefix)) { report.removed += 1 }
        for number in changes.removedIdentities where try set.identities.delete(number) { report.removed += 1 }
        // Who was judged between the switch and here may have been judged as one that is gone now.
        if report.removed > 0, changes.judgeAgain { shared.bump(by: 2) }
        report.removed += changes.removedRows.count
        return report
    }

    /// Finishes the last change: waits until no packet is in flight that began before it, then brings the dead views in
    /// step and deletes what was replaced. Takes some milliseconds when there is something to do.
    package func settle() throws {
        guard let done = leftover else { return }
        if done.needsGrace {
            try rcu.run { try rcuBarrier() }
            leftover?.needsGrace = false
        }
        let dead = Int(shared.epoch & 1) ^ 1
        for (number, view) in done.views where endpoints[number] != nil { storeView(number, view, in: [dead]) }
        for key in done.rows { try removeRow(key) }
        leftover = nil
    }

    /// Bounds that the arrays have, before anything is written.
    private func check(_ changes: Changeset) throws {
        let sizes = configuration.sizes
        let slots =
            changes.classWords.map(\.slot) + changes.prefixes.map(\.slot) + changes.peers.map(\.entry.slot)
            + changes.identities.map(\.slot)
        if let highest = slots.max(), Int(highest) >= sizes.slots {
            throw DatapathError.mapFull(map: "classes", size: sizes.slots, setting: "map-slots")
        }
        if let highest = changes.views.map(\.endpoint).max(), Int(highest) >= sizes.endpoints {
            throw DatapathError.mapFull(map: "endpoints", size: sizes.endpoints, setting: "map-endpoints")
        }
        if changes.views.contains(where: { $0.view.policy > DP_VIEW_POLICY_MASK.rawValue }) {
            throw DatapathError.invalid("policy numbers are used up: the next start begins anew")
        }
    }

    /// Everything that is to be in place before the switch.
    private func write(_ changes: Changeset, _ undo: inout UndoLog, _ report: inout ApplyReport) throws {
        let sizes = configuration.sizes
        for (key, row) in changes.addedRows {
            undo.rows.append(key)
            report.portEntries += try addRow(key, row)
            report.rows += 1
        }
        let base = dp_base_slots(
            world4: changes.worldSlot, world6: changes.worldSlot6, node: changes.hostSlot, reserved: 0)
        set.baseSlots[0] = base
        for (slot, classID) in changes.classWords {
            undo.classes.append((slot, set.classes.loadWord(at: Int(slot), \.class_id)))
            set.classes.storeWord(at: Int(slot), \.class_id, classID)
            report.classWords += 1
        }
        for (prefix, identity, slot) in changes.prefixes {
            let key = cidr_key(prefix), entry = cidr_entry(identity: identity, slot: slot)
            undo.prefixes.append((key, try replacePrefix(key, entry)))
            report.prefixes += 1
        }
        for (number, slot) in changes.identities {
            undo.identities.append((number, try set.identities.lookup(number)))
            try translate(sizes) { () throws(BPFError) in
                try set.identities.update(number, identity_entry(slot: slot))
            }
            report.identities += 1
        }
        for (address, entry) in changes.peers {
            let key = dp_addr(address)
            undo.peers.append((key, try set.pods.lookup(key)))
            try translate(sizes) { () throws(BPFError) in try set.pods.update(key, pod_entry(entry)) }
            report.peers += 1
        }
    }

    /// Returns what was there before. A lookup alone would give the entry of a wider prefix.
    private func replacePrefix(_ key: cidr_key, _ entry: cidr_entry) throws -> cidr_entry? {
        do {
            try set.cidrs.update(key, entry, .noExist)
            return nil
        } catch  where error.errno == .exists {
            let before = try set.cidrs.lookup(key)
            try set.cidrs.update(key, entry)
            return before
        } catch {
            return try translate(configuration.sizes) { () throws(BPFError) in throw error }
        }
    }

    /// Returns how many entries its port table has. Writes nothing if it throws half way but what `removeRow` removes.
    func addRow(_ key: PolicyRowKey, _ row: PolicyRow) throws -> Int {
        let reference = PolicyRowReference(key)
        let encoded = EncodedRow(row) {
            lastTable += 1
            return lastTable
        }
        if !encoded.table.isEmpty {
            portTables[reference] = encoded.table.map(\.key)
            for (key, entry) in encoded.table {
                try translate(configuration.sizes) { () throws(BPFError) in try set.ports.update(key, entry) }
            }
        }
        try translate(configuration.sizes) { () throws(BPFError) in
            try set.policy.update(reference.key, encoded.row)
        }
        if key.classID == 0 {
            let flag = key.direction == .ingress ? DP_VIEW_ANY_INGRESS : DP_VIEW_ANY_EGRESS
            anyRows[key.policy, default: 0] |= flag.rawValue
        }
        return encoded.table.count
    }

    /// Removing a row that isn't there does nothing.
    func removeRow(_ key: PolicyRowKey) throws {
        let reference = PolicyRowReference(key)
        _ = try set.policy.delete(reference.key)
        for port in portTables.removeValue(forKey: reference) ?? [] { _ = try set.ports.delete(port) }
        if key.classID == 0 {
            let flag = key.direction == .ingress ? DP_VIEW_ANY_INGRESS : DP_VIEW_ANY_EGRESS
            let left = (anyRows[key.policy] ?? 0) & ~flag.rawValue
            anyRows[key.policy] = left == 0 ? nil : left
        }
    }

    private func storeView(_ number: UInt16, _ view: EndpointView, in phases: [Int]) {
        let word = encode(view)
        for phase in phases {
            let base = phase * MemoryLayout<endpoint_view>.size
            set.endpoints.storeWord(at: Int(number), offset: base + 4, word.slot4)
            set.endpoints.storeWord(at: Int(number), offset: base + 8, word.slot6)
            set.endpoints.storeWord(at: Int(number), offset: base + 12, word.identity)
            set.endpoints.storeWord(at: Int(number), offset: base, word.policy)
        }
    }
}

/// What was there before each write of a change that isn't live yet.
private struct UndoLog {
    var rows: [PolicyRowKey] = []
    var classes: [(slot: UInt32, classID: UInt32)] = []
    var prefixes: [(key: cidr_key, before: cidr_entry?)] = []
    var identities: [(key: UInt32, before: identity_entry?)] = []
    var peers: [(key: dp_addr, before: pod_entry?)] = []
}

extension Datapath {
    /// Backwards, so that at no moment a class has no rows. Deleting and putting back what was there needs no room.
    private func rollBack(_ undo: UndoLog) {
        for (key, before) in undo.peers.reversed() {
            if let before { try? set.pods.update(key, before) } else { _ = try? set.pods.delete(key) }
        }
        for (key, before) in undo.identities.reversed() {
            if let before { try? set.identities.update(key, before) } else { _ = try? set.identities.delete(key) }
        }
        for (key, before) in undo.prefixes.reversed() {
            if let before { try? set.cidrs.update(key, before) } else { _ = try? set.cidrs.delete(key) }
        }
        for (slot, classID) in undo.classes.reversed() {
            set.classes.storeWord(at: Int(slot), \.class_id, classID)
        }
        for key in undo.rows.reversed() { try? removeRow(key) }
    }
}

extension pod_entry {
    init(_ entry: PeerEntry) {
        var flags: UInt16 = 0
        if entry.isHost { flags |= DP_POD_HOST.rawValue }
        if entry.isRemoteNode { flags |= DP_POD_REMOTE_NODE.rawValue }
        if entry.isService { flags |= DP_POD_SERVICE.rawValue }
        self.init(
            identity: entry.identity, slot: entry.slot, endpoint: entry.endpoint, flags: flags, node: entry.node)
    }
}

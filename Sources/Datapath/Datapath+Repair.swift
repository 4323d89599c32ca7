// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
package import PolicyEngine

extension Datapath {
    /// Compares the maps with what they should hold and puts right what differs: somebody's hand, or our mistake.
    ///
    /// - Parameter desired: the whole state, as one changeset from nothing: rows, class words, peers, prefixes, views.
    package func verifyAndRepair(against desired: Changeset) throws -> RepairReport {
        try settle()
        var report = RepairReport()
        // Also when the rest fails: what was judged by what was wrong is not to last.
        defer { if !report.repaired.isEmpty { judgeAgain() } }
        try repairRows(desired, &report)
        repairClasses(desired, &report)
        try repairPrefixes(desired, &report)
        try repairNodes(&report)
        try repairIdentities(desired, &report)
        try repairPeers(desired, &report)
        repairViews(desired, &report)
        try repairLinks(&report)
        try repairNodeNAT(&report)
        return report
    }

    private func repairRows(_ desired: Changeset, _ report: inout RepairReport) throws {
        var unexpected = Set(try set.policy.entries().map { PolicyRowReference(stored: $0.key) })
        for (key, row) in desired.addedRows {
            report.checked += 1
            let reference = PolicyRowReference(key)
            unexpected.remove(reference)
            guard let actual = try set.policy.lookup(reference.key), matches(actual, row) else {
                // In its place: without it the row for everybody would decide.
                let old = portTables.removeValue(forKey: reference) ?? []
                _ = try addRow(key, row)
                for port in old { _ = try set.ports.delete(port) }
                report.repaired.append(
                    "policy: row of policy \(key.policy), class \(key.classID), \(key.direction)")
                continue
            }
        }
        for reference in unexpected {
            guard try set.policy.delete(reference.key) else { continue }
            report.repaired.append("policy: unknown row of policy \(reference.policy)")
        }
    }

    /// Compares what is inline; a table's entries are compared by their number.
    private func matches(_ actual: policy_row, _ row: PolicyRow) -> Bool {
        let wanted = EncodedRow(row) { actual.table }
        guard actual.table == wanted.row.table, actual.count == wanted.row.count,
            actual.base_verdict == wanted.row.base_verdict, actual.base_cookie == wanted.row.base_cookie
        else { return false }
        let pairs = [
            (actual.port.0, wanted.row.port.0), (actual.port.1, wanted.row.port.1),
            (actual.port.2, wanted.row.port.2), (actual.port.3, wanted.row.port.3),
        ]
        let equal = pairs.allSatisfy { a, b in
            a.first == b.first && a.last == b.last && a.protocol == b.protocol && a.verdict == b.verdict
                && a.cookie == b.cookie
        }
        guard equal else { return false }
        return wanted.table.allSatisfy { key, entry in
            guard let found = try? set.ports.lookup(key) else { return false }
            return found.verdict == entry.verdict && found.cookie == entry.cookie
        }
    }

    /// Slots that the state doesn't name are of class 0, those of the world among them.
    private func repairClasses(_ desired: Changeset, _ report: inout RepairReport) {
        let wanted = Dictionary(desired.classWords.map { ($0.slot, $0.classID) }) { $1 }
        for slot in 0..<set.classes.count {
            let classID = wanted[UInt32(slot)] ?? 0
            guard set.classes.loadWord(at: slot, \.class_id) != classID else { continue }
            set.classes.storeWord(at: slot, \.class_id, classID)
            report.repaired.append("classes: slot \(slot)")
        }
        report.checked += wanted.count + 1
        let base = set.baseSlots[0]
        guard base.world4 != desired.worldSlot || base.world6 != desired.worldSlot6 || base.node != desired.hostSlot
        else { return }
        set.baseSlots[0] = dp_base_slots(
            world4: desired.worldSlot, world6: desired.worldSlot6, node: desired.hostSlot, reserved: 0)
        report.repaired.append("base_slots")
    }

    private func repairPrefixes(_ desired: Changeset, _ report: inout RepairReport) throws {
        // Not by lookup, which would give the entry of a wider prefix.
        let pairs = try set.cidrs.entries().compactMap { key, entry in key.prefix.map { ($0, entry) } }
        let actual = Dictionary(pairs) { $1 }
        var unexpected = Set(actual.keys)
        for (prefix, identity, slot) in desired.prefixes {
            report.checked += 1
            unexpected.remove(prefix)
            if let entry = actual[prefix], entry.identity == identity, entry.slot == slot { continue }
            try set.cidrs.update(cidr_key(prefix), cidr_entry(identity: identity, slot: slot))
            report.repaired.append("cidrs: \(prefix)")
        }
        for prefix in unexpected where try set.cidrs.delete(cidr_key(prefix)) {
            report.repaired.append("cidrs: unknown \(prefix)")
        }
    }

    private func repairIdentities(_ desired: Changeset, _ report: inout RepairReport) throws {
        let actual = Dictionary(try set.identities.entries().map { ($0.key, $0.value.slot) }) { $1 }
        var unexpected = Set(actual.keys)
        for (number, slot) in desired.identities {
            report.checked += 1
            unexpected.remove(number)
            guard actual[number] != slot else { continue }
            try set.identities.update(number, identity_entry(slot: slot))
            report.repaired.append("identities: \(number)")
        }
        for number in unexpected where try set.identities.delete(number) {
            report.repaired.append("identities: unknown \(number)")
        }
    }

    private func repairPeers(_ desired: Changeset, _ report: inout RepairReport) throws {
        var unexpected = Set(try set.pods.entries().map(\.key.address))
        for (address, entry) in desired.peers {
            report.checked += 1
            unexpected.remove(address)
            let wanted = pod_entry(entry)
            if let actual = try set.pods.lookup(dp_addr(address)), actual.identity == wanted.identity,
                actual.slot == wanted.slot, actual.endpoint == wanted.endpoint, actual.flags == wanted.flags,
                actual.node == wanted.node
            {
                continue
            }
            try set.pods.update(dp_addr(address), wanted)
            report.repaired.append("pods: \(address)")
        }
        for address in unexpected where try set.pods.delete(dp_addr(address)) {
            report.repaired.append("pods: unknown \(address)")
        }
    }

    private func repairViews(_ desired: Changeset, _ report: inout RepairReport) {
        for (number, view) in desired.views {
            guard let known = endpoints[number] else { continue }
            report.checked += 1
            let wanted = encode(view)
            let element = set.endpoints[Int(number)]
            let same = [element.view.0, element.view.1].allSatisfy {
                $0.policy == wanted.policy && $0.slot4 == wanted.slot4 && $0.slot6 == wanted.slot6
                    && $0.identity == wanted.identity
            }
            guard !same || element.ifindex != known.ifindex || !element.isOf(known) else { continue }
            try? setEndpoint(known, view: view)
            report.repaired.append("endpoints: \(number)")
        }
    }

    /// A link or filter that somebody took away, whose pin is gone, or that still runs an earlier start's program, is made
    /// again.
    private func repairLinks(_ report: inout RepairReport) throws {
        // Whoever removes pins may take their folder along.
        try Directory.create(paths.links)
        var failure: (any Error)?
        if try !overlayIsAttached() {
            try attachOverlay()
            report.repaired.append("links: overlay")
        }
        let programs = [PinPaths.Side.from: try fromEndpoint.info().id, .to: try toEndpoint.info().id]
        for (number, known) in endpoints {
            report.checked += 1
            if usesTCX {
                let isWhole = programs.allSatisfy { side, program in
                    isLinked(program, atPin: paths.link(number, side), ifindex: known.ifindex)
                }
                guard !isWhole else { continue }
            } else {
                guard try !filtersAreThere(ifindex: known.ifindex, from: fromEndpoint, to: toEndpoint) else { continue }
            }
            do {
                try attachPatiently(number)
                report.repaired.append("links: endpoint \(number)")
            } catch let error as BPFError where error.errno == .noDevice {
                // Whoever removes the endpoint says so.
            } catch let error as SystemError where error.errno == .noDevice {
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
    }

    /// A link whose pin was removed is there until the kernel has got round to it, which takes no longer than a grace period
    /// of RCU.
    private func attachPatiently(_ number: UInt16) throws {
        for _ in 0..<50 {
            do { return try attach(number) } catch let error as BPFError where error.errno == .exists {
                usleep(20_000)
            }
        }
        try attach(number)
    }
}

extension endpoint {
    /// Whether the addresses that may be used are the endpoint's.
    fileprivate func isOf(_ known: LocalEndpoint) -> Bool {
        ipv4 == known.ipv4?.v4.map(\.bigEndian) ?? 0
            && ipv6.address == (known.ipv6 ?? .unspecifiedIPv6) && mac == macBytes(known.mac)
    }
}

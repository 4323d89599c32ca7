// SPDX-License-Identifier: Apache-2.0
import IPAM
import KubeClient
import NetTypes

/// Which ranges are whose, and who needs more.
extension PodRangeMachine {
    /// Makes what the object says its own, as far as it can be.
    ///
    /// - Parameter slotsOnly: nothing but ranges as they are handed out.
    mutating func adopt(_ name: String, slotsOnly: Bool = false) {
        guard var entry = entries[name] else { return }
        let said = entry.node.ranges
        let dropped = entry.own.filter { !said.contains($0) }
        entry.own.removeAll { dropped.contains($0) }
        release(dropped, of: name)
        entry.lost = entry.node.unreadable.map { "\"\($0)\" is no range" }
        for (position, range) in said.enumerated() where said[..<position].contains(range) {
            entry.lost.append("\(range) stands there twice")
        }
        for range in said where !entry.own.contains(range) {
            if let index = entry.pending.firstIndex(of: range) {
                entry.pending.remove(at: index)
                entry.own.append(range)
            } else if !slotsOnly || pools.isSlot(range) {
                do throws(PrefixPoolError) {
                    try pools.claim(range, for: name)
                    entry.own.append(range)
                } catch .otherFamily {
                    // There is nothing to compare it with, and it is not ours to take away.
                    entry.own.append(range)
                } catch {
                    entry.lost.append("\(error)")
                }
            }
        }
        if entry.pending.isEmpty { entry.isUnsure = false }
        entries[name] = entry
    }

    /// An answer may be newer or older than what is told next: what it says in addition counts as possible. True if there
    /// is such.
    mutating func adoptUnseen(_ node: NodeRanges) -> Bool {
        let name = node.metadata.name
        guard var entry = entries[name] else { return false }
        for range in node.ranges where !entry.own.contains(range) && !entry.pending.contains(range) {
            do throws(PrefixPoolError) {
                try pools.claim(range, for: name)
                entry.pending.append(range)
            } catch {
                // Told as a conflict when it is seen.
            }
        }
        entries[name] = entry
        return entry.pending.contains { node.ranges.contains($0) }
    }

    /// It can't stay as it is: to be seen from what the object says, not from what is planned for it.
    func isWanting(_ name: String) -> Bool {
        guard let entry = entries[name] else { return false }
        return !entry.lost.isEmpty || !missingRanges(of: entry, entry.own).families.isEmpty
    }

    /// Families of which it needs a range, one entry for each range; and why it can't have more, if it needs more.
    ///
    /// What its agent says of its use is older than the last range that it was given. So it is counted from the ranges
    /// how much that use leaves; what the agent says is free decides only whether to look.
    func missingRanges(of entry: Entry, _ ranges: [Prefix]) -> (families: [IPFamily], problem: String?) {
        var families: [IPFamily] = []
        for family in pools.families {
            var capacity = Self.capacity(of: ranges.filter { IPFamily($0) == family })
            var isFirst = capacity == 0
            while isFirst || isShort(capacity, entry.node.usage) {
                guard ranges.count + families.count < Self.maximumRanges else {
                    return (families, "it has \(Self.maximumRanges) ranges, which is the most that it can have")
                }
                families.append(family)
                let more = pools[family].map { Self.capacity(ofLength: $0.length, family) } ?? 0
                capacity = capacity.addingReportingOverflow(more).overflow ? .max : capacity + more
                isFirst = false
            }
        }
        return (families, nil)
    }

    private func isShort(_ capacity: UInt64, _ usage: NodeRanges.Usage?) -> Bool {
        guard let usage, usage.available < minimumFree else { return false }
        let (wanted, overflow) = usage.used.addingReportingOverflow(minimumFree)
        return !overflow && capacity < wanted
    }

    private static func capacity(of ranges: [Prefix]) -> UInt64 {
        ranges.reduce(0) { sum, range in
            let size = capacity(ofLength: range.length, IPFamily(range))
            return sum.addingReportingOverflow(size).overflow ? .max : sum + size
        }
    }

    /// Addresses that pods can have, as `AddressRange` counts them.
    private static func capacity(ofLength length: Int, _ family: IPFamily) -> UInt64 {
        let hostBits = (family == .ipv4 ? 32 : 128) - length
        if hostBits >= 64 { return .max }
        let all = UInt64(1) << UInt64(hostBits)
        return hostBits <= 1 ? all : all - (family == .ipv4 ? 2 : 1)
    }
}

extension PodRangeMachine.Entry {
    /// What its status is to say; nil: nothing needs to be said.
    var wantedCondition: NodeRanges.Condition? {
        if let problem { return NodeRanges.Condition(isTrue: false, reason: "PoolExhausted", message: problem) }
        if let note { return NodeRanges.Condition(isTrue: true, reason: "Corrected", message: note) }
        guard let condition = node.condition, !condition.isTrue else { return nil }
        return NodeRanges.Condition(isTrue: true, reason: "Allocated", message: "")
    }
}

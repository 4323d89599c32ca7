// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Datapath
import Kernel
import Logging

extension Agent {
    /// Forgets idle connections.
    /// - Returns: seconds until the next sweep is due.
    package func sweepFlows() -> Int {
        guard let datapath else { return flowPace.interval }
        do {
            try forgetFreedFlows()
            let report = try datapath.collectFlows(timeouts: settings.flowTimeouts)
            _ = try datapath.collectMappings(timeouts: settings.flowTimeouts)
            evictedFlows = report.evicted
            flowPace.swept(live: report.live, removed: report.removed)
            note(.flows, nil)
        } catch {
            note(.flows, "idle connections can't be collected: \(error)")
        }
        return flowPace.interval
    }

    /// Removes connections of addresses that pods gave back.
    func forgetFreedFlows() throws {
        guard let datapath, !freedAddresses.isEmpty else { return }
        _ = try datapath.forgetFlows(of: freedAddresses)
        freedAddresses = []
    }

    /// Finishes what the last change left to be done when no packet is in flight any more.
    package func settle() {
        do { try datapath?.settle() } catch {
            note(.repair, "what a change replaced can't be removed: \(error)")
        }
    }

    /// Compares what is in the kernel with what should be there, and puts right what differs.
    package func verify() {
        verifyMaps()
        // Also while the maps are behind: nobody else tries again what failed of them.
        restorePodLinks()
        syncNodeRoutes()
        Heap.trim()
    }

    private func verifyMaps() {
        guard let datapath, conditions[.policy] == nil else { return }
        do {
            let report = try datapath.verifyAndRepair(against: policy.snapshot())
            for line in report.repaired { logger.warning("map repaired", metadata: ["entry": "\(line)"]) }
            note(.repair, nil)
        } catch {
            note(.repair, "the maps can't be compared with what they should be: \(error)")
        }
    }

    /// Tries again what did not fit, or failed.
    package func retry() {
        if conditions[.policy] != nil { rebuild() }
        if conditions[.host] != nil { hostChanged([.lost]) }
        if conditions[.podLinks] != nil { restorePodLinks() }
        if conditions[.masquerade] != nil || conditions[.nodePrograms] != nil { applyMasquerade(afresh: true) }
    }

    /// Says when a map gets full: once at 80 %, once at 95 %, and when it is over.
    package func checkMaps() {
        guard let datapath, let maps = try? datapath.readMaps() else { return }
        for map in maps {
            // A table that makes room by itself may be full; the status says how much it displaced.
            let pressure = map.type.hasPrefix("lru") || map.name == "flows" ? 0 : map.pressure ?? 0
            let level = pressure >= 0.95 ? 95 : pressure >= 0.80 ? 80 : 0
            let setting = map.setting.map { "; raise \($0)" } ?? ""
            note(
                .map(map.name),
                level == 0
                    ? nil : "map \(map.name) is more than \(level) % full (made for \(map.maxEntries))\(setting)")
        }
    }
}

/// How often the connection table is swept: often while there is much to collect, seldom when there is little.
package struct FlowPace: Sendable {
    package static let shortest = 2
    package static let longest = 30

    /// Seconds.
    package private(set) var interval = 10

    package init() {}

    package mutating func swept(live: Int, removed: Int) {
        let total = live + removed
        guard total > 0, removed * 100 >= total else {
            interval = min(Self.longest, interval * 2)
            return
        }
        if removed * 10 >= total { interval = max(Self.shortest, interval / 2) }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
package import NetTypes

extension Datapath {
    /// Sweeps the connection table once, in chunks, and deletes what has been idle for longer than its state allows. Each
    /// entry is read again right before it is deleted, so that a connection that woke up meanwhile stays.
    package func collectFlows(timeouts: FlowTimeouts) throws -> FlowReport {
        let limits = FlowLimits(timeouts, clock)
        let now = try clock.tick()
        var report = FlowReport()
        var seen = 0
        var scan = MapScan<flow_key, flow>(chunk: 4096, batch: features.hashBatch)
        while try scan.next(shared.flows) {
            seen += scan.count
            for index in 0..<scan.count where limits.expired(scan.key(index), scan.value(index), now: now) {
                let key = scan.key(index)
                guard let current = try shared.flows.lookup(key), limits.expired(key, current, now: now) else {
                    continue
                }
                if try shared.flows.delete(key) { report.removed += 1 }
            }
        }
        report.live = seen - report.removed
        liveFlows = report.live
        collectedFlows += UInt64(report.removed)
        let made = try countNewFlows() &- flowsAtStart
        let accounted = collectedFlows + UInt64(report.live)
        report.evicted = made > accounted ? made - accounted : 0
        return report
    }

    /// Deletes every connection of an address that no pod has any more, so that its next owner inherits none.
    ///
    /// Returns how many there were.
    @discardableResult
    package func forgetFlows(of addresses: Set<IPAddress>) throws -> Int {
        var removed = 0
        var scan = MapScan<flow_key, flow>(chunk: 4096, batch: features.hashBatch)
        while try scan.next(shared.flows) {
            for index in 0..<scan.count {
                let key = scan.key(index)
                guard addresses.contains(key.addr.0.address) || addresses.contains(key.addr.1.address) else { continue }
                if try shared.flows.delete(key) { removed += 1 }
            }
        }
        collectedFlows += UInt64(removed)
        return removed
    }

    func countNewFlows() throws(BPFError) -> UInt64 {
        try shared.counters.reduce(Int(DP_COUNT_NEW.rawValue), into: 0) { $0 += $1.packets }
    }
}

/// Idle times in ticks.
private struct FlowLimits {
    let tcpEstablished, tcpOpening, tcpClosing, udpReplied, udp, sctp, icmp: UInt32

    init(_ timeouts: FlowTimeouts, _ clock: borrowing TickClock) {
        tcpEstablished = clock.ticks(seconds: timeouts.tcpEstablished)
        tcpOpening = clock.ticks(seconds: timeouts.tcpOpening)
        tcpClosing = clock.ticks(seconds: timeouts.tcpClosing)
        udpReplied = clock.ticks(seconds: timeouts.udpReplied)
        udp = clock.ticks(seconds: timeouts.udp)
        sctp = clock.ticks(seconds: timeouts.sctp)
        icmp = clock.ticks(seconds: timeouts.icmp)
    }

    func expired(_ key: flow_key, _ flow: flow, now: UInt32) -> Bool {
        // A program may have written a later tick than the one read before the sweep.
        let idle = Int32(bitPattern: now &- flow.last_seen)
        return idle > Int32(clamping: limit(key, flow))
    }

    private func limit(_ key: flow_key, _ flow: flow) -> UInt32 {
        let both = DP_FLOW_FIN_0.rawValue | DP_FLOW_FIN_1.rawValue
        let closing = flow.flags & DP_FLOW_RESET.rawValue != 0 || flow.flags & both == both
        switch IPProtocol(rawValue: key.protocol) {
        case .tcp where closing: return tcpClosing
        case .tcp: return flow.flags & DP_FLOW_ACKED.rawValue != 0 ? tcpEstablished : tcpOpening
        case .sctp where closing: return tcpClosing
        case .sctp: return flow.flags & DP_FLOW_ACKED.rawValue != 0 ? sctp : tcpOpening
        case .udp: return flow.flags & DP_FLOW_REPLIED.rawValue != 0 ? udpReplied : udp
        default: return icmp
        }
    }
}

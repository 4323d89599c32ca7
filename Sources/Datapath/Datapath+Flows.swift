// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
package import NetTypes

extension Datapath {
    /// Sweeps the connection table once, in chunks, and deletes what has been idle for longer than its state allows. Each
    /// entry is read again right before it is deleted, so that a connection that woke up meanwhile stays.
    package func collectFlows(timeouts: FlowTimeouts) throws -> FlowReport {
        let limits = FlowLimits(timeouts, clock, hurry: FlowLimits.hurry(liveFlows, of: shared.flows.maxEntries))
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
        report.evicted = try countEvicted() &- evictedAtStart
        // What was made while there was room has taken the places of what lives.
        if report.live * 2 > shared.flows.maxEntries { try fillFlowRing() }
        return report
    }

    /// Deletes every connection of an address that no pod has any more, so that its next owner inherits none; those that
    /// are masqueraded, too.
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
        try masquerading?.forget(addresses, batch: features.hashBatch)
        return removed
    }

    func countEvicted() throws(BPFError) -> UInt64 {
        try shared.counters.reduce(Int(DP_COUNT_EVICTED.rawValue), into: 0) { $0 += $1.packets }
    }

    /// Above every epoch that a connection was judged under, and even: for when it isn't known any more.
    func unusedEpoch() throws(BPFError) -> UInt32 {
        var highest: UInt32 = 0
        var scan = MapScan<flow_key, flow>(chunk: 4096, batch: features.hashBatch)
        while try scan.next(shared.flows) {
            for index in 0..<scan.count { highest = max(highest, scan.value(index).epoch) }
        }
        return (highest | 1) &+ 1
    }

    /// Lets a full table find every connection that is there.
    func fillFlowRing() throws(BPFError) {
        var filled: UInt32 = 0
        var scan = MapScan<flow_key, flow>(chunk: 4096, batch: features.hashBatch)
        while try scan.next(shared.flows) {
            let keys = (0..<min(scan.count, shared.flowRing.maxEntries - Int(filled))).map { scan.key($0) }
            try shared.flowRing.updateBatch(keys: keys.indices.map { filled + UInt32($0) }, values: keys)
            filled += UInt32(keys.count)
        }
        shared.state.storeWord(at: 0, \.flow_hand, filled)
    }
}

/// Idle times in ticks.
struct FlowLimits {
    private let tcpEstablished, tcpOpening, tcpClosing, udpReplied, udp, sctp, icmp: UInt32

    /// - Parameter hurry: by how much the timeouts are shortened, but for those of established connections.
    init(_ timeouts: FlowTimeouts, _ clock: borrowing TickClock, hurry: Double = 1) {
        func ticks(_ seconds: Double) -> UInt32 { clock.ticks(seconds: seconds / hurry) }
        tcpEstablished = clock.ticks(seconds: timeouts.tcpEstablished)
        tcpOpening = ticks(timeouts.tcpOpening)
        tcpClosing = ticks(timeouts.tcpClosing)
        udpReplied = ticks(timeouts.udpReplied)
        udp = ticks(timeouts.udp)
        sctp = clock.ticks(seconds: timeouts.sctp)
        icmp = ticks(timeouts.icmp)
    }

    /// Up to three quarters full a table waits as long as it is told; then less and less, and a sixteenth when it is full.
    static func hurry(_ live: Int, of size: Int) -> Double {
        let filling = Double(live) / Double(max(size, 1))
        return 1 / (1 - min(max(filling - 0.75, 0) * 4, 1) * 15 / 16)
    }

    func expired(_ key: flow_key, _ flow: flow, now: UInt32) -> Bool {
        // A program may have written a later tick than the one read before the sweep.
        let idle = Int32(bitPattern: now &- flow.last_seen)
        return idle > Int32(clamping: limit(key, flow))
    }

    func expired(_ key: nat_key, _ entry: nat_entry, now: UInt32) -> Bool {
        let closing = entry.has(DP_NAT_RESET) || entry.has(DP_NAT_FIN_OUT) && entry.has(DP_NAT_FIN_IN)
        let limit = limit(
            IPProtocol(rawValue: key.protocol), closing: closing, acked: entry.has(DP_NAT_ACKED),
            replied: entry.has(DP_NAT_REPLIED))
        return Int32(bitPattern: now &- entry.last_seen) > Int32(clamping: limit)
    }

    private func limit(_ key: flow_key, _ flow: flow) -> UInt32 {
        func has(_ flag: flow_flag) -> Bool { flow.flags & flag.rawValue != 0 }
        return limit(
            IPProtocol(rawValue: key.protocol),
            closing: has(DP_FLOW_RESET) || has(DP_FLOW_FIN_0) && has(DP_FLOW_FIN_1),
            acked: has(DP_FLOW_ACKED), replied: has(DP_FLOW_REPLIED))
    }

    private func limit(_ protocol: IPProtocol, closing: Bool, acked: Bool, replied: Bool) -> UInt32 {
        switch `protocol` {
        case .tcp where closing, .sctp where closing: tcpClosing
        case .tcp: acked ? tcpEstablished : tcpOpening
        case .sctp: acked ? sctp : tcpOpening
        case .udp: replied ? udpReplied : udp
        default: icmp
        }
    }
}

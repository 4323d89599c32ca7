// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import NetTypes

extension Datapath {
    /// Sweeps the mappings once, as `collectFlows` does connections. One that an owner who was moved had to go around stays
    /// as long as that owner's does: it says that there is something to look for.
    ///
    /// Nil while nothing is masqueraded.
    package func collectMappings(timeouts: FlowTimeouts) throws -> FlowReport? {
        guard let masquerading else { return nil }
        let limits = FlowLimits(timeouts, clock)
        let now = try clock.tick()
        var report = FlowReport()
        var seen = 0
        var idle: [nat_key] = []
        var wanted: Set<MappingKey> = []
        var scan = MapScan<nat_key, nat_entry>(chunk: 4096, batch: features.hashBatch)
        while try scan.next(masquerading.mappings) {
            seen += scan.count
            for index in 0..<scan.count {
                let (key, entry) = (scan.key(index), scan.value(index))
                if limits.expired(key, entry, now: now) {
                    idle.append(key)
                } else if entry.port != key.node_port {
                    wanted.insert(MappingKey(key, port: entry.port))
                }
            }
        }
        for key in idle where !wanted.contains(MappingKey(key, port: key.node_port)) {
            guard let current = try masquerading.mappings.lookup(key), limits.expired(key, current, now: now) else {
                continue
            }
            if try masquerading.mappings.delete(key) { report.removed += 1 }
        }
        report.live = seen - report.removed
        masquerading.live = report.live
        masquerading.collected += UInt64(report.removed)
        report.evicted = try masquerading.evicted()
        return report
    }

    func dumpMappings(_ limit: Int) throws -> MapDump {
        var rows: [[String]] = []
        let columns = ["PROTOCOL", "OWNER", "AS", "REMOTE", "STATE", "IDLE"]
        guard let masquerading else { return MapDump(columns: columns, rows: rows) }
        let now = try clock.tick()
        var scan = MapScan<nat_key, nat_entry>(chunk: 4096, batch: features.hashBatch)
        while rows.count < limit, try scan.next(masquerading.mappings) {
            for index in 0..<scan.count where rows.count < limit {
                let (key, entry) = (scan.key(index), scan.value(index))
                let idle = Double(Int32(bitPattern: now &- entry.last_seen)) * clock.secondsPerTick
                func end(_ address: dp_addr, _ port: UInt16) -> String {
                    text((address: address.address, port: UInt16(bigEndian: port)))
                }
                rows.append([
                    "\(IPProtocol(rawValue: key.protocol))", end(entry.owner, entry.port), end(key.node, key.node_port),
                    end(key.remote, key.remote_port), state(entry, IPProtocol(rawValue: key.protocol)),
                    "\(max(0, Int(idle)))s",
                ])
            }
        }
        return MapDump(columns: columns, rows: rows)
    }

    private func state(_ entry: nat_entry, _ protocol: IPProtocol) -> String {
        if entry.has(DP_NAT_RESET) { return "reset" }
        if entry.has(DP_NAT_FIN_OUT), entry.has(DP_NAT_FIN_IN) { return "closed" }
        if entry.has(DP_NAT_FIN_OUT) || entry.has(DP_NAT_FIN_IN) { return "closing" }
        if `protocol` == .tcp || `protocol` == .sctp { return entry.has(DP_NAT_ACKED) ? "established" : "opening" }
        return entry.has(DP_NAT_REPLIED) ? "replied" : "one way"
    }
}

/// A mapping's key as a Swift value.
private struct MappingKey: Hashable {
    let remote, node: IPAddress
    let ports: UInt32
    let `protocol`: UInt8

    /// - Parameter port: of the node, network order.
    init(_ key: nat_key, port: UInt16) {
        remote = key.remote.address
        node = key.node.address
        ports = UInt32(key.remote_port) << 16 | UInt32(port)
        `protocol` = key.protocol
    }
}

extension nat_entry {
    func has(_ flag: nat_flag) -> Bool { flags & flag.rawValue != 0 }
}

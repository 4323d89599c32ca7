// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import NetTypes

extension Datapath {
    /// A map's entries in words, sorted by what they are. Nil for a name that is none.
    ///
    /// - Parameter limit: rows at most; a connection table may have hundreds of thousands.
    package func dump(map: String, limit: Int = 10_000) throws -> MapDump? {
        switch map {
        case "flows": return try dumpFlows(limit)
        case "pods":
            let rows = try set.pods.entries().map { key, value in
                (
                    key.address,
                    [
                        "\(key.address)", "\(value.identity)", "\(value.slot)", "\(value.endpoint)",
                        flags(value), value.node == 0 ? "" : "\(value.node)",
                    ]
                )
            }
            return sorted(["ADDRESS", "IDENTITY", "SLOT", "ENDPOINT", "FLAGS", "NODE"], rows, limit)
        case "nodes":
            let rows = nodes.map { number, address in (number, ["\(number)", "\(address)"]) }
            return sorted(["NODE", "TUNNEL TO"], rows, limit)
        case "identities":
            let rows = try set.identities.entries().map { number, value in
                (number, ["\(number)", "\(value.slot)"])
            }
            return sorted(["IDENTITY", "SLOT"], rows, limit)
        case "cidrs":
            let rows = try set.cidrs.entries().map { key, value in
                (
                    key.addr.address,
                    [
                        key.prefix.map { "\($0)" } ?? "?", "\(value.identity)", "\(value.slot)",
                    ]
                )
            }
            return sorted(["PREFIX", "IDENTITY", "SLOT"], rows, limit)
        case "policy":
            let rows = try set.policy.entries().map { key, row in
                (
                    UInt64(key.policy) << 32 | UInt64(key.class_dir),
                    [
                        "\(key.policy)", "\(key.class_dir >> 1)", key.class_dir & 1 == 0 ? "ingress" : "egress",
                        describe(row), row.table == 0 ? "" : "\(row.table)",
                    ]
                )
            }
            return sorted(["POLICY", "CLASS", "DIRECTION", "VERDICTS", "TABLE"], rows, limit)
        case "ports":
            let rows = try set.ports.entries().map { key, entry in
                let bits = Int(key.prefixlen) - 48
                let first = UInt16(bigEndian: key.port)
                let last = first | (bits >= 16 ? 0 : UInt16.max >> UInt16(bits))
                return (
                    UInt64(key.table) << 32 | UInt64(key.protocol) << 16 | UInt64(first),
                    [
                        "\(key.table)", "\(IPProtocol(rawValue: key.protocol))",
                        first == last ? "\(first)" : "\(first)-\(last)", verdict(entry.verdict), "\(entry.cookie)",
                    ]
                )
            }
            return sorted(["TABLE", "PROTOCOL", "PORTS", "VERDICT", "RULE"], rows, limit)
        case "classes":
            let rows = (0..<set.classes.count).compactMap { slot -> (Int, [String])? in
                let classID = set.classes.loadWord(at: slot, \.class_id)
                return classID == 0 ? nil : (slot, ["\(slot)", "\(classID)"])
            }
            return sorted(["SLOT", "CLASS"], rows, limit)
        case "endpoints":
            return sorted(
                ["ENDPOINT", "IFINDEX", "INTERFACE", "IPV4", "IPV6", "POLICY", "ENFORCES", "SLOTS", "IDENTITY"],
                endpoints.values.map { ($0.number, describe($0)) }, limit)
        case "state":
            return MapDump(
                columns: ["EPOCH", "LIVE VIEW"], rows: [["\(shared.epoch)", "\(shared.epoch & 1)"]])
        case "nat": return try dumpMappings(limit)
        case "nat_prefixes":
            let rows = try masquerading?.prefixes.entries().map { ($0.key.addr.address, $0.key.describe($0.value)) }
            return sorted(["PREFIX", "MEANING"], rows ?? [], limit)
        case "deny_sources":
            guard let denyLists else { return MapDump(columns: ["PREFIX", "GROUP"], rows: []) }
            let rows = try denyLists.sources.entries().map { key, value in
                (key.addr.address, [key.prefix.map { "\($0)" } ?? "?", denyLists.name(of: Int(value.group))])
            }
            return sorted(["PREFIX", "GROUP"], rows, limit)
        default: return nil
        }
    }

    private func flags(_ entry: pod_entry) -> String {
        let names = [(DP_POD_HOST, "host"), (DP_POD_REMOTE_NODE, "remote-node"), (DP_POD_SERVICE, "service")]
        return names.filter { entry.flags & $0.0.rawValue != 0 }.map(\.1).joined(separator: ",")
    }

    private func sorted<Order: Comparable>(
        _ columns: [String], _ rows: [(Order, [String])], _ limit: Int
    ) -> MapDump {
        MapDump(columns: columns, rows: rows.sorted { $0.0 < $1.0 }.prefix(limit).map(\.1))
    }

    private func dumpFlows(_ limit: Int) throws -> MapDump {
        var rows: [[String]] = []
        let now = try clock.tick()
        let epoch = shared.epoch
        var scan = MapScan<flow_key, flow>(chunk: 4096, batch: features.hashBatch)
        while rows.count < limit, try scan.next(shared.flows) {
            for index in 0..<scan.count where rows.count < limit {
                let (key, value) = (scan.key(index), scan.value(index))
                let ends = key.ends
                let initiator = value.flags & DP_FLOW_INITIATOR_1.rawValue != 0 ? 1 : 0
                let idle = Double(Int32(bitPattern: now &- value.last_seen)) * clock.secondsPerTick
                rows.append([
                    "\(IPProtocol(rawValue: key.protocol))", text(ends[initiator]), text(ends[1 - initiator]),
                    state(value, IPProtocol(rawValue: key.protocol)),
                    value.drop == 0 ? "allowed" : dropText(value.drop), "\(value.cookie)",
                    value.epoch == epoch ? "current" : "to be judged again", "\(max(0, Int(idle)))s",
                ])
            }
        }
        return MapDump(
            columns: ["PROTOCOL", "FROM", "TO", "STATE", "VERDICT", "RULE", "EPOCH", "IDLE"], rows: rows)
    }

    func text(_ end: (address: IPAddress, port: UInt16)) -> String {
        end.address.isIPv4 ? "\(end.address):\(end.port)" : "[\(end.address)]:\(end.port)"
    }

    private func state(_ flow: flow, _ protocol: IPProtocol) -> String {
        func has(_ flag: flow_flag) -> Bool { flow.flags & flag.rawValue != 0 }
        if has(DP_FLOW_RESET) { return "reset" }
        if has(DP_FLOW_FIN_0), has(DP_FLOW_FIN_1) { return "closed" }
        if has(DP_FLOW_FIN_0) || has(DP_FLOW_FIN_1) { return "closing" }
        if `protocol` == .tcp || `protocol` == .sctp { return has(DP_FLOW_ACKED) ? "established" : "opening" }
        return has(DP_FLOW_REPLIED) ? "replied" : "one way"
    }

    private func verdict(_ raw: UInt8) -> String {
        switch dp_verdict(rawValue: raw) {
        case DP_VERDICT_ALLOW: "allow"
        case DP_VERDICT_DENY: "deny"
        default: "default-deny"
        }
    }

    private func describe(_ row: policy_row) -> String {
        let ports = [row.port.0, row.port.1, row.port.2, row.port.3].prefix(Int(row.count)).map { port in
            let range = port.first == port.last ? "\(port.first)" : "\(port.first)-\(port.last)"
            let name = port.protocol == 0 ? "any" : "\(IPProtocol(rawValue: port.protocol))"
            return "\(verdict(port.verdict)) \(name) \(range) [\(port.cookie)]"
        }
        return (ports + ["else \(verdict(row.base_verdict)) [\(row.base_cookie)]"]).joined(separator: ", ")
    }

    private func describe(_ endpoint: LocalEndpoint) -> [String] {
        let element = set.endpoints[Int(endpoint.number)]
        let view = shared.epoch & 1 == 0 ? element.view.0 : element.view.1
        let enforces = [
            view.policy & DP_VIEW_ENFORCE_INGRESS.rawValue != 0 ? "ingress" : nil,
            view.policy & DP_VIEW_ENFORCE_EGRESS.rawValue != 0 ? "egress" : nil,
        ].compactMap(\.self).joined(separator: ",")
        return [
            "\(endpoint.number)", "\(element.ifindex)", endpoint.hostInterface,
            endpoint.ipv4.map { "\($0)" } ?? "", endpoint.ipv6.map { "\($0)" } ?? "",
            "\(view.policy & DP_VIEW_POLICY_MASK.rawValue)", enforces, "\(view.slot4),\(view.slot6)",
            "\(view.identity)",
        ]
    }
}

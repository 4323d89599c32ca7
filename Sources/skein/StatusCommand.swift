// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import ArgumentParser
import NetTypes
import TextLayout

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "How the agent and the datapath of this node are, or all of a cluster.",
        discussion: """
            The cluster is meant with --cluster, --kubeconfig or --context, and where KUBECONFIG is set and there is no \
            agent's socket.
            """)

    @OptionGroup var global: GlobalOptions
    @OptionGroup(title: "Cluster Options") var cluster: ClusterStatusOptions

    func run() throws {
        if cluster.areMeant(socket: global.socket) {
            try ClusterProgram.run(["status"] + cluster.arguments + ["--output", global.output.rawValue])
        }
        let status = try global.ask { try $0.status() }
        try global.show(status, table: Self.page)
        if !status.ready { throw ExitCode(3) }
    }

    static func page(_ status: AgentStatus) -> String {
        var fields = Fields()
        fields.add("Agent", agentLine(status))
        fields.add("Ready", status.ready ? "yes" : "no: " + status.notReady.joined(separator: "\n"))
        if status.ready, !status.notReady.isEmpty { fields.add("Degraded", status.notReady.joined(separator: "\n")) }
        if let manifests = status.manifests { fields.add("Manifests", manifests) }
        if let cluster = status.cluster { addCluster(cluster, to: &fields) }
        fields.add("Node", status.nodeAddresses.map(\.description).joined(separator: ", "))
        fields.add("Pod ranges", podRanges(status))
        fields.add("Pod MTU", "\(status.mtu)")
        fields.add("Endpoints", endpoints(status.endpoints))
        if let adds = status.adds { fields.add("Their ADDs", Self.adds(adds)) }
        fields.add("Policy", "\(status.policies) objects, \(status.identities) identities, epoch \(status.epoch)")
        fields.add("Kernel", features(status.features))
        fields.add("Traffic", traffic(status.counters))
        let drops = status.counters.drops.filter { $0.packets > 0 }.sorted { $0.packets > $1.packets }
        if !drops.isEmpty { fields.add("Drops", drops.map(drop).joined(separator: "\n")) }
        let full = status.maps.filter { ($0.pressure ?? 0) >= 0.8 }
        if !full.isEmpty { fields.add("Full maps", full.map(pressure).joined(separator: "\n")) }
        for list in status.denyLists where list.error != nil {
            fields.add("Deny list", "\(list.group): \(list.error ?? "")")
        }
        if !status.manifestErrors.isEmpty {
            fields.add("Refused", status.manifestErrors.map(manifestError).joined(separator: "\n"))
        }
        return fields.text
    }

    private static func addCluster(_ cluster: ClusterInfo, to fields: inout Fields) {
        var server = cluster.server
        if let since = cluster.awaySince {
            server += " does not answer, for \(Format.age(since: since))" + (cluster.problem.map { ": \($0)" } ?? "")
        }
        fields.add("API server", server)
        fields.add(
            "Cluster",
            "this is node \(cluster.node), one of \(cluster.nodes); \(cluster.identities) identities, "
                + "\(cluster.remoteAddresses) addresses of other nodes' pods")
        fields.add(
            "Pod CIDRs",
            cluster.podRanges.isEmpty ? "none yet" : cluster.podRanges.map(\.description).joined(separator: ", "))
        if !cluster.wrongClaims.isEmpty {
            fields.add("Not believed", cluster.wrongClaims.joined(separator: "\n"))
        }
    }

    private static func agentLine(_ status: AgentStatus) -> String {
        var line = "\(status.version), pid \(status.pid), up \(Format.duration(status.uptime))"
        if let memory = status.memory { line += ", \(Format.bytes(memory))" }
        if status.adopted == true { line += ", took over from an earlier agent" }
        return line
    }

    private static func podRanges(_ status: AgentStatus) -> String {
        status.podRanges.map { range in
            let free = range.free == .max ? "" : ", \(range.free) free"
            return "\(range.prefix): \(range.used) used\(free)"
        }.joined(separator: "\n")
    }

    private static func endpoints(_ counts: [String: Int]) -> String {
        let used = counts.filter { $0.value > 0 }.sorted { $0.key < $1.key }
        return used.isEmpty ? "none" : used.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    }

    private static func adds(_ times: AddTimes) -> String {
        "took \(times.median) ms (median), \(times.p99) ms (p99), \(times.longest) ms (longest)"
    }

    private static func features(_ features: [FeatureInfo]) -> String {
        let missing = features.filter { !$0.available }
        if missing.isEmpty { return "has all \(features.count) features that are used" }
        return missing.map { "no \($0.name)" + ($0.fallback.map { ": \($0)" } ?? "") }.joined(separator: "\n")
    }

    private static func traffic(_ counters: DatapathCounters) -> String {
        var lines = [
            "\(counters.fromPods.packets) packets out of pods, \(Format.bytes(counters.fromPods.bytes))",
            "\(counters.toPods.packets) packets into pods, \(Format.bytes(counters.toPods.bytes))",
            "\(counters.newFlows) connections, \(counters.rejudgedFlows) judged again",
        ]
        if let evicted = counters.evictedFlows, evicted > 0 { lines.append("\(evicted) connections evicted early") }
        if counters.eventsLost > 0 { lines.append("\(counters.eventsLost) events lost") }
        return lines.joined(separator: "\n")
    }

    private static func drop(_ drop: DropCount) -> String {
        "\(drop.packets) \(drop.fromPod ? "from" : "to") pods: \(drop.reason)"
    }

    private static func pressure(_ map: MapInfo) -> String {
        let setting = map.setting.map { ", set by \($0)" } ?? ""
        return "\(map.name): \(map.entries ?? 0) of \(map.maxEntries) (\(Format.percent(map.pressure ?? 0)))\(setting)"
    }

    private static func manifestError(_ error: ManifestError) -> String {
        let place = error.file + (error.line.map { ":\($0)" } ?? "")
        let what = [error.object, error.field].compactMap(\.self).joined(separator: " ")
        return (place.isEmpty ? "" : place + ": ") + (what.isEmpty ? "" : what + ": ") + error.message
    }
}

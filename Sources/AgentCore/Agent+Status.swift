// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import Glibc
import IPAM
import Kernel
import Model
import NetTypes

extension Agent {
    package func status() throws -> AgentStatus {
        // Without one nothing is counted, and the kernel goes on with what the last agent put there.
        var counters = try datapath?.readCounters() ?? .nothing
        counters.evictedFlows = evictedFlows
        var states: [String: Int] = [:]
        for state in EndpointState.allCases { states[state.rawValue] = endpointTable.count(in: state) }
        return AgentStatus(
            version: settings.version, pid: getpid(), uptime: Double(clock.milliseconds() - startedAt) / 1_000,
            ready: conditions.blocking.isEmpty, notReady: conditions.all, memory: Self.residentMemory(),
            manifests: settings.manifests, cluster: clusterInfo(),
            nodeAddresses: policy.nodeAddresses.subtracting([Gateway.ipv4, Gateway.ipv6]).sorted(), mtu: mtu,
            podRanges: pools.usage.map {
                PodRange(prefix: $0.range, used: $0.used, free: $0.size == .max ? .max : $0.size - $0.used)
            },
            epoch: datapath?.currentEpoch ?? 0, endpoints: states,
            adds: AddTimes(endpointTable.all.filter { $0.state == .ready }.compactMap(\.addMilliseconds)),
            identities: policy.identityCount, policies: policy.policyCount, features: datapath?.featureInfos ?? [],
            maps: try datapath?.readMaps() ?? [], counters: counters, manifestErrors: refusals(),
            denyLists: denyListInfos(), adopted: adopted)
    }

    private func clusterInfo() -> ClusterInfo? {
        guard let cluster = settings.cluster else { return nil }
        let report = reports.cluster?()
        return ClusterInfo(
            node: cluster.nodeName, server: report?.server ?? "", awaySince: report?.awaySince,
            problem: report?.problem, podRanges: policy.peers.ownNode?.podRanges ?? [],
            nodes: policy.peers.nodes.count, identities: policy.knownIdentities.count,
            remoteAddresses: policy.peers.addressCount,
            wrongClaims: policy.peers.problems(limit: 10).map(\.description))
    }

    private func refusals() -> [ManifestErrorInfo] {
        reports.manifests()
            + (reports.cluster?().refused ?? []).map {
                ManifestErrorInfo(file: "", object: $0.object.description, message: $0.message)
            }
    }

    package func maps() throws -> [MapInfo] { try requireDatapath().readMaps() }

    package func dump(map name: String) throws -> MapContents {
        guard let contents = try requireDatapath().readMap(named: name) else {
            throw APIError(code: APIError.Code.notFound, message: "there is no map \"\(name)\"")
        }
        return contents
    }

    /// Resident pages, from proc(5) `statm`.
    private static func residentMemory() -> UInt64? {
        guard let bytes = try? AtomicFile.read("/proc/self/statm") else { return nil }
        let fields = String(decoding: bytes, as: UTF8.self).split(separator: " ")
        guard fields.count > 1, let pages = UInt64(fields[1]) else { return nil }
        return pages * UInt64(sysconf(Int32(_SC_PAGESIZE)))
    }
}

extension CounterInfo {
    fileprivate static let nothing = CounterInfo(
        fromPods: PacketInfo(packets: 0, bytes: 0), toPods: PacketInfo(packets: 0, bytes: 0), newFlows: 0,
        rejudgedFlows: 0, eventsLost: 0, eventsLimited: 0, drops: [])
}

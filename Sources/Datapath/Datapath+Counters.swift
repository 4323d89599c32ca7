// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI

extension Datapath {
    /// Sums over all CPUs; the counters outlive the agent.
    package func counters() throws -> DatapathCounters {
        func sum(_ index: UInt32) throws -> PacketCount {
            try shared.counters.reduce(Int(index), into: PacketCount(packets: 0, bytes: 0)) {
                $0.packets += $1.packets
                $0.bytes += $1.bytes
            }
        }
        var drops: [DatapathCounters.Drop] = []
        for reason in dropReasons {
            for fromPod in [true, false] {
                let base = fromPod ? DP_COUNT_DROP_FROM.rawValue : DP_COUNT_DROP_TO.rawValue
                let count = try sum(base + UInt32(reason))
                guard count.packets > 0 else { continue }
                drops.append(.init(reason: reason, text: dropText(reason), fromPod: fromPod, count: count))
            }
        }
        return DatapathCounters(
            fromPod: try sum(DP_COUNT_FROM_POD.rawValue), toPod: try sum(DP_COUNT_TO_POD.rawValue),
            newFlows: try sum(DP_COUNT_NEW.rawValue).packets, rejudged: try sum(DP_COUNT_REJUDGED.rawValue).packets,
            eventsLost: try sum(DP_COUNT_EVENT_LOST.rawValue).packets,
            eventsLimited: try sum(DP_COUNT_EVENT_LIMITED.rawValue).packets, drops: drops)
    }

    /// How often each of these rules decided on a connection since this start.
    package func ruleHits(_ cookies: some Sequence<UInt32>) throws -> [UInt32: UInt64] {
        var hits: [UInt32: UInt64] = [:]
        for cookie in cookies where cookie > 0 && Int(cookie) < set.ruleHits.count {
            let count = try set.ruleHits.reduce(Int(cookie), into: UInt64(0)) { $0 += $1 }
            if count > 0 { hits[cookie] = count }
        }
        return hits
    }

    /// Forgets the hits of a cookie that is about to stand for another rule.
    package func resetRuleHits(_ cookie: UInt32) throws {
        guard Int(cookie) < set.ruleHits.count else { return }
        try set.ruleHits.reset(Int(cookie))
    }

    /// How full the maps are. Walks over those that keep no count; the connection table's is that of its last sweep.
    package func mapUsage() throws -> [MapUsage] {
        var usage: [MapUsage] = []
        func add(_ info: MapInfo, _ entries: Int, _ bytes: Int, as name: String? = nil) {
            usage.append(
                MapUsage(
                    name: name ?? info.name, type: "\(info.type)", entries: entries, maxEntries: info.maxEntries,
                    keySize: info.keySize, valueSize: info.valueSize,
                    setting: configuration.sizes.setting(of: info.name)?.setting ?? "", bytes: bytes))
        }
        add(shared.flows.info, liveFlows, shared.flows.memoryUsage)
        add(shared.flowRing.info, 0, shared.flowRing.memoryUsage)
        add(shared.fragments.info, try shared.fragments.count(), shared.fragments.memoryUsage)
        add(set.pods.info, try set.pods.count(), set.pods.memoryUsage)
        add(set.nodes.info, nodes.count, set.nodes.memoryUsage)
        add(set.identities.info, try set.identities.count(), set.identities.memoryUsage)
        add(set.cidrs.info, try set.cidrs.count(), set.cidrs.memoryUsage)
        add(set.policy.info, try set.policy.count(), set.policy.memoryUsage)
        add(set.ports.info, try set.ports.count(), set.ports.memoryUsage)
        add(set.endpoints.info, endpoints.count, set.endpoints.handle.memoryUsage)
        add(set.classes.info, usedSlots(), set.classes.handle.memoryUsage)
        add(set.ruleHits.info, set.ruleHits.count, set.ruleHits.handle.memoryUsage)
        add(shared.counters.info, shared.counters.count, shared.counters.handle.memoryUsage)
        add(shared.events.info, 0, shared.events.memoryUsage)
        if let masquerading {
            add(masquerading.mappings.info, masquerading.live, masquerading.mappings.memoryUsage)
            add(masquerading.prefixes.info, try masquerading.prefixes.count(), masquerading.prefixes.memoryUsage)
            let fragments = try masquerading.fragments.count()
            add(masquerading.fragments.info, fragments, masquerading.fragments.memoryUsage, as: "node_fragments")
        }
        if let denyLists { add(denyLists.sources.info, denyLists.entries, denyLists.sources.memoryUsage) }
        return usage
    }

    private func usedSlots() -> Int {
        var used = 0
        for slot in 0..<set.classes.count where set.classes.loadWord(at: slot, \.class_id) != 0 { used += 1 }
        return used
    }
}

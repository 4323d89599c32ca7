// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import BPF
package import Datapath

// The real datapath behind the agent's protocol. What is not here it has by the same name.
extension Datapath: DatapathControl {
    package var currentEpoch: UInt32 { epoch }

    package var featureInfos: [FeatureInfo] {
        features.all.map { feature in
            FeatureInfo(
                name: feature.name, available: feature.isAvailable,
                fallback: feature.isAvailable ? nil : feature.fallback)
        }
    }

    package func readRuleHits(_ cookies: [UInt32]) throws -> [UInt32: UInt64] { try ruleHits(cookies) }

    package func readCounters() throws -> CounterInfo {
        let counters = try counters()
        return CounterInfo(
            fromPods: PacketInfo(packets: counters.fromPod.packets, bytes: counters.fromPod.bytes),
            toPods: PacketInfo(packets: counters.toPod.packets, bytes: counters.toPod.bytes),
            newFlows: counters.newFlows, rejudgedFlows: counters.rejudged, eventsLost: counters.eventsLost,
            eventsLimited: counters.eventsLimited,
            drops: counters.drops.map { drop in
                DropCount(
                    reason: drop.text, code: drop.reason, fromPod: drop.fromPod, packets: drop.count.packets,
                    bytes: drop.count.bytes)
            })
    }

    package func readMaps() throws -> [MapStatus] {
        try mapUsage().map { map in
            let countable = !map.type.hasSuffix("array") && map.type != "ringbuf"
            return MapStatus(
                name: map.name, type: map.type, entries: countable ? UInt64(map.entries) : nil,
                maxEntries: UInt64(map.maxEntries), keySize: UInt32(map.keySize), valueSize: UInt32(map.valueSize),
                pressure: countable && map.maxEntries > 0 ? Double(map.entries) / Double(map.maxEntries) : nil,
                memory: map.bytes > 0 ? UInt64(map.bytes) : nil, setting: map.setting.isEmpty ? nil : "--\(map.setting)"
            )
        }
    }

    package func readMap(named name: String) throws -> MapContents? {
        let limit = 10_000
        return try dump(map: name, limit: limit).map { dump in
            MapContents(
                name: name, columns: dump.columns, rows: dump.rows, truncated: dump.rows.count >= limit)
        }
    }

    package func makeEventSource() throws -> any EventSource { try makeEventReader() }
}

extension EventReader: EventSource {}

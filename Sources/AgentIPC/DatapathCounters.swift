// SPDX-License-Identifier: Apache-2.0

/// What the datapath counted on all CPUs since its maps were made; they survive restarts of the agent.
package struct DatapathCounters: Hashable, Codable, Sendable {
    /// Let pass on the way out of pods.
    package var fromPods: PacketCount
    /// Let pass on the way into pods by the stack; packets between pods of the node count as `fromPods` only.
    package var toPods: PacketCount
    /// Flows made.
    package var newFlows: UInt64
    /// Flows judged again after a change of policy.
    package var rejudgedFlows: UInt64
    /// Flows that a full table gave up before their time; nil when unknown.
    package var evictedFlows: UInt64?
    /// The ring buffer was full.
    package var eventsLost: UInt64
    /// Over the rate limit, so not sent.
    package var eventsLimited: UInt64
    /// By reason and direction, only those that occurred.
    package var drops: [DropCount]

    package init(
        fromPods: PacketCount, toPods: PacketCount, newFlows: UInt64, rejudgedFlows: UInt64,
        evictedFlows: UInt64? = nil, eventsLost: UInt64, eventsLimited: UInt64, drops: [DropCount]
    ) {
        self.fromPods = fromPods
        self.toPods = toPods
        self.newFlows = newFlows
        self.rejudgedFlows = rejudgedFlows
        self.evictedFlows = evictedFlows
        self.eventsLost = eventsLost
        self.eventsLimited = eventsLimited
        self.drops = drops
    }
}

/// Packets and their bytes.
package struct PacketCount: Hashable, Codable, Sendable {
    package var packets: UInt64
    /// With the Ethernet header.
    package var bytes: UInt64

    package init(packets: UInt64, bytes: UInt64) {
        self.packets = packets
        self.bytes = bytes
    }
}

/// Drops for one reason in one direction.
package struct DropCount: Hashable, Codable, Sendable {
    /// In words.
    package var reason: String
    /// The Hubble API's number of the drop reason.
    package var code: UInt8
    /// True: on the way out of a pod; false: on the way into one.
    package var fromPod: Bool
    package var packets: UInt64
    /// With the Ethernet header.
    package var bytes: UInt64

    package init(reason: String, code: UInt8, fromPod: Bool, packets: UInt64, bytes: UInt64) {
        self.reason = reason
        self.code = code
        self.fromPod = fromPod
        self.packets = packets
        self.bytes = bytes
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC

// Waiting for states of a node, and looking at them.
extension TestNode {
    /// Waits until `condition` holds; throws, saying `what` it waited for, if it does not in time.
    package func waitUntil(
        _ what: String, timeout: Duration = .seconds(20), _ condition: () throws -> Bool
    ) throws {
        let holds = try eventually(timeout: timeout, every: .milliseconds(1), condition)
        guard holds else { throw TestNodeError("waited in vain: \(what)", node: self) }
    }

    /// Waits until the policy in force gives a verdict for a new connection.
    ///
    /// - Parameter port: as "80/tcp".
    package func waitUntil(from source: String, to destination: String, _ port: String, isAllowed: Bool) throws {
        let client = client
        try waitUntil("\(source) to \(destination) \(port) \(isAllowed ? "allowed" : "refused")") {
            try client.explain(from: source, to: destination, port: port).allowed == isAllowed
        }
    }

    /// Waits until the agent has read a policy, and not only its file.
    ///
    /// - Parameter name: "namespace/name".
    package func waitForPolicy(_ name: String, isThere: Bool = true) throws {
        let client = client
        try waitUntil("policy \(name) \(isThere ? "in force" : "gone")") {
            try client.policies().contains { "\($0.namespace)/\($0.name)" == name } == isThere
        }
    }

    /// Packets that were dropped at this node's pods, by the reason's number of the Hubble API.
    package func drops() throws -> [UInt8: UInt64] {
        var counts: [UInt8: UInt64] = [:]
        for drop in try client.status().counters.drops { counts[drop.code, default: 0] += drop.packets }
        return counts
    }

    /// Waits until more packets than `before` were dropped for a reason.
    package func waitForDrops(_ reasons: DropReason..., above before: UInt64) throws {
        let client = client
        try waitUntil("drops: \(reasons)") {
            let drops = try client.status().counters.drops
            return drops.filter { drop in reasons.contains { $0.rawValue == drop.code } }.reduce(0) { $0 + $1.packets }
                > before
        }
    }
}

/// Drop reasons by their numbers in the Hubble API, as far as tests ask for them.
package enum DropReason: UInt8, Sendable {
    case invalidSourceAddress = 132
    case noRuleAllows = 133
    case ruleRefuses = 181
    case invalidPacket = 134
    case unsupportedProtocol = 139
    case unusableDestination = 150
    case noEndpoint = 152
    case fragmentNotFound = 175
    case neighbourDiscovery = 176
    case vlan = 182
}

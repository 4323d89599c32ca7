// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import FoundationEssentials

/// A running `skein monitor -o json`; ends with the last reference.
package final class Monitor: Sendable {
    private let child: ChildProcess

    package init(_ node: TestNode, _ arguments: [String] = []) throws {
        child = try node.startSkein(["monitor", "-o", "json"] + arguments)
    }

    /// What it has printed so far; lines that can't be decoded are left out.
    package var events: [MonitorEvent] {
        let decoder = JSONDecoder()
        return child.output.split(separator: "\n").compactMap {
            try? decoder.decode(MonitorEvent.self, from: Data($0.utf8))
        }
    }

    /// Waits for an event, doing `provoke` again and again: the first may come before the monitor listens.
    package func wait(
        on node: TestNode, for what: String, provoking provoke: () throws -> Void,
        _ matches: (MonitorEvent) -> Bool
    ) throws -> MonitorEvent {
        var found: MonitorEvent?
        try node.waitUntil("monitor: \(what)") {
            try provoke()
            found = events.first(where: matches)
            return found != nil
        }
        guard let found else { throw TestNodeError("no event: \(what)", node: node) }
        return found
    }
}

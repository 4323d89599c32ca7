// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import FoundationEssentials

/// What a person asks.
extension AgentClient {
    package func status(by deadline: Deadline = .after(defaultTimeout)) throws(AgentError) -> AgentStatus {
        try call("GET", APIPath.status, by: deadline)
    }

    package func endpoints(by deadline: Deadline = .after(defaultTimeout)) throws(AgentError) -> [EndpointInfo] {
        try call("GET", APIPath.endpoints, by: deadline)
    }

    package func identities(by deadline: Deadline = .after(defaultTimeout)) throws(AgentError) -> [IdentityInfo] {
        try call("GET", APIPath.identities, by: deadline)
    }

    package func policies(by deadline: Deadline = .after(defaultTimeout)) throws(AgentError) -> [PolicyInfo] {
        try call("GET", APIPath.policies, by: deadline)
    }

    /// - Parameters:
    ///   - source: "namespace/name" of a pod, an address, "host" or "world"; `destination` likewise.
    ///   - port: as "80/tcp".
    package func explain(
        from source: String, to destination: String, port: String, by deadline: Deadline = .after(defaultTimeout)
    ) throws(AgentError) -> Explanation {
        let query = [("from", source), ("to", destination), ("port", port)]
            .map { "\($0)=\(APIPath.encode($1))" }.joined(separator: "&")
        return try call("GET", APIPath.explain + "?" + query, by: deadline)
    }

    package func maps(by deadline: Deadline = .after(defaultTimeout)) throws(AgentError) -> [MapInfo] {
        try call("GET", APIPath.maps, by: deadline)
    }

    /// A full table takes the agent a while.
    package func dump(map name: String, by deadline: Deadline = .after(.seconds(60))) throws(AgentError) -> MapDump {
        try call("GET", APIPath.maps + "/" + APIPath.encode(name), by: deadline)
    }

    package func denyLists(by deadline: Deadline = .after(defaultTimeout)) throws(AgentError) -> [DenyListInfo] {
        try call("GET", APIPath.denyLists, by: deadline)
    }

    /// Hands on every event, decoded and as the line that it came in, until `body` returns false; returns also when the
    /// agent ends the stream. Waits for events as long as it takes; the deadline holds for the stream's beginning.
    package func monitor(
        by deadline: Deadline = .after(defaultTimeout), _ body: (MonitorEvent, _ line: [UInt8]) throws -> Bool
    ) throws {
        let decoder = JSONDecoder()
        try stream(APIPath.monitor, by: deadline) { line in
            let event: MonitorEvent
            do {
                event = try decoder.decode(MonitorEvent.self, from: Data(line))
            } catch {
                throw AgentError.malformed(request: "GET " + APIPath.monitor, detail: JSONText.describe(error))
            }
            return try body(event, line)
        }
    }

    private func call<Reply: Decodable>(
        _ method: String, _ path: String, by deadline: Deadline
    ) throws(AgentError) -> Reply {
        let bytes: [UInt8] = try call(method, path, by: deadline)
        do {
            return try JSONDecoder().decode(Reply.self, from: Data(bytes))
        } catch {
            throw .malformed(request: "\(method) \(path)", detail: JSONText.describe(error))
        }
    }
}

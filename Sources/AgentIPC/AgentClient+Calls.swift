// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What the CNI plugin asks.
extension AgentClient {
    /// Returns when the agent serves ADD; throws ``AgentError/api(status:error:)`` with the reason when it does not.
    package func ready(by deadline: Deadline = .after(defaultTimeout)) throws(AgentError) {
        _ = try call("GET", APIPath.ready, by: deadline)
    }

    /// Reserves a number and addresses. `meanwhile` runs while the agent is at it.
    package func allocate(
        _ request: AllocateRequest, by deadline: Deadline = .after(defaultTimeout), meanwhile: () -> Void = {}
    ) throws(AgentError) -> AllocateReply {
        try call("POST", APIPath.endpoints, body: try json(request), by: deadline, meanwhile: meanwhile)
    }

    /// Returns when the endpoint's programs are attached and its policy is in the kernel. `meanwhile` runs while the
    /// agent is at it.
    package func attach(
        _ endpoint: AttachmentReference, hostIfindex: UInt32, by deadline: Deadline = .after(defaultTimeout),
        meanwhile: () -> Void = {}
    ) throws(AgentError) {
        let body = try json(AttachRequest(hostIfindex: hostIfindex))
        _ = try call("POST", endpoint.path + "/attach", body: body, by: deadline, meanwhile: meanwhile)
    }

    /// Succeeds for an endpoint that is unknown.
    package func delete(
        _ endpoint: AttachmentReference, by deadline: Deadline = .after(defaultTimeout)
    ) throws(AgentError) {
        _ = try call("DELETE", endpoint.path, by: deadline)
    }

    /// nil when the agent does not know it.
    package func endpoint(
        _ endpoint: AttachmentReference, by deadline: Deadline = .after(defaultTimeout)
    ) throws(AgentError) -> EndpointInfo? {
        do {
            return try call("GET", endpoint.path, as: EndpointInfo.self, by: deadline)
        } catch .api(status: 404, _) {
            return nil
        } catch {
            throw error
        }
    }

    package func collectGarbage(
        _ request: GCRequest, by deadline: Deadline = .after(defaultTimeout)
    ) throws(AgentError) -> GCReply {
        try call("POST", APIPath.gc, body: try json(request), by: deadline)
    }

    private func json(_ value: some Encodable) throws(AgentError) -> [UInt8] {
        do {
            return Array(try JSONText.encode(value))
        } catch {
            throw .malformed(request: "request", detail: "\(error)")
        }
    }
}

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
}

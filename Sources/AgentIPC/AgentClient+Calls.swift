// SPDX-License-Identifier: Apache-2.0

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
        try call("POST", APIPath.endpoints, body: request.json.bytes, by: deadline, meanwhile: meanwhile)
    }

    /// Returns when the endpoint's programs are attached and its policy is in the kernel. `meanwhile` runs while the
    /// agent is at it.
    package func attach(
        _ endpoint: AttachmentReference, hostIfindex: UInt32, attempt: String? = nil,
        by deadline: Deadline = .after(defaultTimeout), meanwhile: () -> Void = {}
    ) throws(AgentError) {
        let body = AttachRequest(hostIfindex: hostIfindex, attempt: attempt).json.bytes
        _ = try call("POST", endpoint.path + "/attach", body: body, by: deadline, meanwhile: meanwhile)
    }

    /// Takes back what the attempt has reserved. Succeeds where nothing of it is left.
    package func release(
        _ endpoint: AttachmentReference, attempt: String, by deadline: Deadline = .after(defaultTimeout)
    ) throws(AgentError) {
        _ = try call(
            "POST", endpoint.path + "/release", body: ReleaseRequest(attempt: attempt).json.bytes, by: deadline)
    }

    /// Succeeds for an endpoint that is unknown.
    package func delete(
        _ endpoint: AttachmentReference, attempt: String? = nil, by deadline: Deadline = .after(defaultTimeout)
    ) throws(AgentError) {
        _ = try call("DELETE", endpoint.path, body: DeleteRequest(attempt: attempt).json.bytes, by: deadline)
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
        try call("POST", APIPath.gc, body: request.json.bytes, by: deadline)
    }
}

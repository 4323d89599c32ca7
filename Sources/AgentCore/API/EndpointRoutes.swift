// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Hummingbird

/// What the CNI plugin calls, and the lists of endpoints and identities.
struct EndpointRoutes {
    let agent: Agent

    func add(to router: Router<APIContext>) {
        router.post("/v1/endpoints") { request, context in
            let body = try await request.json(AllocateRequest.self, context)
            return jsonResponse(try await agent.allocate(body).json)
        }
        router.post("/v1/endpoints/{container}/{interface}/attach") { request, context in
            let body = try await request.json(AttachRequest.self, context)
            try await agent.attach(try key(context), ifindex: body.hostIfindex, attempt: body.attempt)
            return jsonResponse(emptyReply)
        }
        router.post("/v1/endpoints/{container}/{interface}/release") { request, context in
            let body = try await request.json(ReleaseRequest.self, context)
            try await agent.release(try key(context), attempt: body.attempt)
            return jsonResponse(emptyReply)
        }
        router.get("/v1/endpoints/{container}/{interface}") { _, context in
            let key = try key(context)
            guard let endpoint = await agent.endpoint(key) else {
                throw APIError(code: APIError.Code.notFound, message: "endpoint \(key) is unknown")
            }
            return try jsonResponse(endpoint)
        }
        router.delete("/v1/endpoints/{container}/{interface}") { request, context in
            let body = try await request.optionalJSON(DeleteRequest.self, context)
            try await agent.delete(try key(context), attempt: body?.attempt)
            return jsonResponse(emptyReply)
        }
        router.post("/v1/gc") { request, context in
            let body = try await request.json(GCRequest.self, context)
            return jsonResponse(try await agent.collectGarbage(network: body.network, keep: Set(body.keep)).json)
        }
        router.get("/v1/endpoints") { _, _ in try jsonResponse(await agent.endpoints()) }
        router.get("/v1/identities") { _, _ in try jsonResponse(await agent.identities()) }
    }

    private func key(_ context: APIContext) throws -> EndpointKey {
        EndpointKey(containerID: try context.name("container"), interface: try context.name("interface"))
    }
}

/// To whom nothing has to be told.
let emptyReply = JSONValue.object([:])

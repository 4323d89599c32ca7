// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import FoundationEssentials
import Hummingbird

/// Policies, and what they say about a connection.
struct PolicyRoutes {
    let agent: Agent

    func add(to router: Router<APIContext>) {
        router.get("/v1/policies") { _, _ in try jsonResponse(try await agent.policies()) }
        router.get("/v1/policies/explain") { request, _ in
            let explanation = try await agent.explain(
                from: try query("from", request), to: try query("to", request), port: try query("port", request))
            return try jsonResponse(explanation)
        }
    }

    private func query(_ name: String, _ request: Request) throws -> String {
        guard let value = request.uri.queryParameters[name[...]], !value.isEmpty else {
            throw APIError(
                code: APIError.Code.badRequest, message: "the query lacks \(name)=; it takes from=, to= and port=")
        }
        return String(value)
    }
}

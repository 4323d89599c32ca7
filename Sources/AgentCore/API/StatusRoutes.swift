// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Hummingbird

/// How the agent is, and its maps and deny lists.
struct StatusRoutes {
    let agent: Agent

    func add(to router: Router<APIContext>) {
        router.get("/v1/status") { _, _ in try jsonResponse(try await agent.status()) }
        router.get("/v1/ready") { _, _ in
            let problems = await agent.problems()
            guard problems.isEmpty else {
                throw APIError(
                    code: APIError.Code.notReady, message: problems.joined(separator: "; "), retryable: true)
            }
            return jsonResponse(emptyReply)
        }
        router.get("/v1/maps") { _, _ in try jsonResponse(try await agent.maps()) }
        router.get("/v1/maps/{name}") { _, context in
            try jsonResponse(try await agent.dump(map: try context.name("name")))
        }
        router.get("/v1/denylists") { _, _ in try jsonResponse(await agent.denyListInfos()) }
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Model
import NetTypes
import Testing

struct ExplainTests {
    private func agent() async throws -> (TestNode, Agent) {
        let node = try TestNode()
        let agent = try await node.startAgent([
            .allow(from: "web", to: "db"),
            .pod("db-1", labels: ["app": "db"], ports: [NamedPort(name: "sql", protocol: .tcp, port: 5432)]),
            .pod("far", labels: ["app": "web"], addresses: ["10.9.0.1"]),
        ])
        try await node.addPod("web-1", to: agent, labels: ["app": "web"])
        try await node.addPod("db-1", to: agent)
        try await node.addPod("other", to: agent)
        return (node, agent)
    }

    @Test(arguments: [
        ("default/web-1", "default/db-1", true), ("default/other", "default/db-1", false),
        ("10.9.0.1", "default/db-1", true), ("default/far", "10.1.0.2", true), ("host", "default/db-1", true),
        ("world", "default/db-1", false), ("192.0.2.7", "default/db-1", false), ("default/db-1", "world", true),
        ("default/db-1", "default/other", true),
    ])
    func `the answer is what the rules say`(from: String, to: String, allowed: Bool) async throws {
        let (node, agent) = try await agent()
        let answer = try await agent.explain(from: from, to: to, port: "5432/tcp")
        #expect(answer.allowed == allowed, "\(answer.summary)")
        #expect(answer.port == 5_432)
        withExtendedLifetime(node) {}
    }

    @Test func `the rule that decides is named, or what isolates the pod`() async throws {
        let (node, agent) = try await agent()
        let allowed = try await agent.explain(from: "default/web-1", to: "default/db-1", port: "80")
        let ingress = try #require(allowed.steps.first { $0.direction == .ingress })
        #expect(ingress.rule == "NetworkPolicy default/allow ingress rule 1")
        #expect(allowed.from.endpoint == 1)
        #expect(allowed.to.labels == ["app": "db"])
        #expect(allowed.to.identity >= 256)

        let refused = try await agent.explain(from: "default/other", to: "default/db-1", port: "80")
        let step = try #require(refused.steps.first { $0.direction == .ingress })
        #expect(step.rule == nil)
        #expect(step.policies == ["NetworkPolicy default/allow"])
        #expect(refused.summary.contains("refused"))
        withExtendedLifetime(node) {}
    }

    @Test func `a port's name is looked up at the destination`() async throws {
        let (node, agent) = try await agent()
        #expect(try await agent.explain(from: "default/web-1", to: "default/db-1", port: "sql/tcp").port == 5_432)
        let error = await #expect(throws: APIError.self) {
            try await agent.explain(from: "default/db-1", to: "default/web-1", port: "sql/tcp")
        }
        #expect(error?.code == APIError.Code.notFound)
        withExtendedLifetime(node) {}
    }

    @Test(arguments: ["", "/", "80/", "80/tcp/x", "70000/tcp", "80/icmpx", "0/tcp", "a b/tcp"])
    func `a port that is none is refused with examples`(port: String) async throws {
        let (node, agent) = try await agent()
        let error = await #expect(throws: APIError.self) {
            try await agent.explain(from: "default/web-1", to: "default/db-1", port: port)
        }
        #expect(error?.code == APIError.Code.badRequest, "\(error?.message ?? "")")
        withExtendedLifetime(node) {}
    }

    @Test func `ping has a type instead of a port`() async throws {
        let (node, agent) = try await agent()
        let answer = try await agent.explain(from: "default/web-1", to: "default/db-1", port: "icmp")
        #expect(answer.protocol == "ICMP")
        #expect(answer.port == nil)
        withExtendedLifetime(node) {}
    }

    @Test func `who is not known is said so`() async throws {
        let (node, agent) = try await agent()
        let error = await #expect(throws: APIError.self) {
            try await agent.explain(from: "default/nobody", to: "default/db-1", port: "80")
        }
        #expect(error?.code == APIError.Code.notFound)
        #expect(error?.message.contains("default/nobody") == true)
        withExtendedLifetime(node) {}
    }
}

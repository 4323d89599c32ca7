// SPDX-License-Identifier: Apache-2.0
import Hummingbird
package import Logging
import ServiceLifecycle

/// Answers kubelet's probes on a TCP port of the loopback device: `/healthz` while the agent lives, `/readyz` when ADD is
/// served and the kernel has taken all programs, else with what is missing. So a version whose programs it refuses does
/// not get further than the first nodes.
///
/// It is there from the beginning, also while an API server is waited for: that is no reason to be started again.
package struct HealthServer: Service {
    private let agent: Agent
    private let port: UInt16
    private let logger: Logger
    private let ready: @Sendable (UInt16) -> Void

    /// - Parameters:
    ///   - port: 0: any.
    ///   - ready: called with the port when it answers.
    package init(
        agent: Agent, port: UInt16, logger: Logger, ready: @escaping @Sendable (UInt16) -> Void = { _ in }
    ) {
        self.agent = agent
        self.port = port
        var logger = logger
        logger.logLevel = max(logger.logLevel, .warning)
        self.logger = logger
        self.ready = ready
    }

    package func run() async throws {
        let ready = ready
        let application = Application(
            router: router(),
            configuration: ApplicationConfiguration(
                address: .hostname("127.0.0.1", port: Int(port)), serverName: nil),
            onServerRunning: { channel in ready(channel.localAddress?.port.flatMap { UInt16(exactly: $0) } ?? 0) },
            logger: logger)
        try await application.run()
    }

    private func router() -> Router<BasicRequestContext> {
        let router = Router(context: BasicRequestContext.self)
        router.get("/healthz") { _, _ in
            // An agent that is stuck does not answer.
            _ = await agent.problems()
            return Self.text(["ok"], .ok)
        }
        router.get("/readyz") { _, _ in
            let problems = await agent.readinessProblems()
            return problems.isEmpty ? Self.text(["ok"], .ok) : Self.text(problems, .serviceUnavailable)
        }
        return router
    }

    private static func text(_ lines: [String], _ status: HTTPResponse.Status) -> Response {
        let body = ByteBuffer(string: lines.map { $0 + "\n" }.joined())
        return Response(
            status: status, headers: [.contentType: "text/plain; charset=utf-8"], body: ResponseBody(byteBuffer: body))
    }
}

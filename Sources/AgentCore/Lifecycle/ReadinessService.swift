// SPDX-License-Identifier: Apache-2.0
package import Model
import ServiceLifecycle

/// Says that pods may come when they may: first the API answers and ADD is served, then the runtime gets its configuration,
/// then the cluster is told. What can't be written is tried again. Nothing is taken back when the agent stops: pods that come
/// while the next one starts are refused for a moment and tried again.
package struct ReadinessService: Service {
    private let agent: Agent
    private let served: AsyncStream<Void>
    private let configuration: CNIConfiguration?
    private let readiness: (any NodeReadiness)?
    private let pause: Duration

    /// - Parameters:
    ///   - served: ends when the API answers.
    ///   - configuration: nil: somebody else writes it.
    ///   - pause: before the first retry; it doubles, up to half a minute.
    package init(
        agent: Agent, served: AsyncStream<Void>, configuration: CNIConfiguration?,
        readiness: (any NodeReadiness)?, pause: Duration = .seconds(1)
    ) {
        self.agent = agent
        self.served = served
        self.configuration = configuration
        self.readiness = readiness
        self.pause = pause
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            for await _ in served {}
            guard await agent.waitUntilReady() else { return }
            if let configuration {
                await trying("the CNI configuration can't be written") { try configuration.write() }
            }
            if !Task.isCancelled { await readiness?.announceReady() }
        }
        // To return means to fail.
        try? await gracefulShutdown()
    }

    private func trying(_ problem: String, _ body: () async throws -> Void) async {
        var pause = pause
        while !Task.isCancelled {
            do {
                try await body()
                return await agent.announced(problem: nil)
            } catch {
                await agent.announced(problem: "\(problem): \(error)")
            }
            try? await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(30))
        }
    }
}

extension Agent {
    /// What keeps the runtime from being told that ADD is served.
    func announced(problem: String?) { note(.announcement, problem) }
}

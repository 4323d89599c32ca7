// SPDX-License-Identifier: Apache-2.0
import ServiceLifecycle

/// What has to be done again and again. Each task waits for its own end before it is due again.
package struct MaintenanceService: Service {
    private let agent: Agent

    package init(agent: Agent) {
        self.agent = agent
    }

    package func run() async throws {
        let agent = agent
        await withDiscardingTaskGroup { group in
            group.addTask { await Self.repeatedly { await agent.sweepFlows() } }
            group.addTask {
                await Self.repeatedly {
                    await agent.settle()
                    await agent.retry()
                    await agent.savePools()
                    await agent.tellNode()
                    return 2
                }
            }
            group.addTask {
                await Self.repeatedly {
                    await agent.checkMaps()
                    await agent.expireEndpoints()
                    await agent.confirmIdentities()
                    await agent.collectPolicyGarbage()
                    return 30
                }
            }
            group.addTask {
                await Self.repeatedly {
                    await agent.verify()
                    return 60
                }
            }
        }
        await agent.savePools()
    }

    /// Does `body`, and again after as many seconds as it says, until the agent stops.
    private static func repeatedly(_ body: @escaping @Sendable () async -> Int) async {
        await cancelWhenGracefulShutdown {
            var pause = 1
            while !Task.isCancelled {
                do { try await Task.sleep(for: .seconds(pause)) } catch { return }
                pause = await body()
            }
        }
    }
}

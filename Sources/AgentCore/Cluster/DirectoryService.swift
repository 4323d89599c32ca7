// SPDX-License-Identifier: Apache-2.0
package import Model
import ServiceLifecycle

/// Asks and tells the cluster what the agent wants to know and has to say.
package struct DirectoryService: Service {
    private let agent: Agent
    private let directory: any ClusterDirectory
    private let pause: Duration

    /// - Parameter pause: before a question that had no answer may be asked again.
    package init(agent: Agent, directory: any ClusterDirectory, pause: Duration = .seconds(1)) {
        self.agent = agent
        self.directory = directory
        self.pause = pause
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown {
            await withDiscardingTaskGroup { group in
                for await _ in agent.news {
                    let news = await agent.takeNews()
                    for labels in news.questions { group.addTask { await ask(labels) } }
                    if let endpoints = news.endpoints { await directory.setEndpoints(endpoints) }
                    if let node = news.node { await directory.setNodeState(node) }
                    for (policy, state) in news.policyStates.sorted(by: { $0.key < $1.key }) {
                        await directory.setPolicyState(state, of: policy)
                    }
                }
                group.cancelAll()
            }
        }
    }

    private func ask(_ labels: SecurityLabels) async {
        do {
            let number = try await directory.identity(of: labels)
            guard IdentityAllocator.range.contains(number) else { throw WrongAnswer(number: number) }
            await agent.identityArrived(labels, number)
        } catch is CancellationError {
            // The agent is stopping.
        } catch {
            try? await Task.sleep(for: pause)
            await agent.identityFailed(labels, "\(error)")
        }
    }

    private struct WrongAnswer: Error, CustomStringConvertible {
        let number: IdentityNumber

        var description: String { "the answer was \(number), which no pod can have" }
    }
}

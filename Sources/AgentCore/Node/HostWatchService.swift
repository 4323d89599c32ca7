// SPDX-License-Identifier: Apache-2.0
import ServiceLifecycle
import Synchronization

/// Tells the agent of changes of the host's network, many at a time: a node's routes come and go in bursts.
package struct HostWatchService: Service {
    private let agent: Agent
    private let host: any HostNetwork

    package init(agent: Agent, host: any HostNetwork) {
        self.agent = agent
        self.host = host
    }

    package func run() async throws {
        let changes = try host.changes()
        let (signals, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let pending = Pending()
        // What happened between the agent's start and the watch.
        pending.insert(.lost)
        continuation.yield()
        await withDiscardingTaskGroup { group in
            group.addTask {
                for await change in changes.cancelOnGracefulShutdown() {
                    pending.insert(change)
                    continuation.yield()
                }
                continuation.finish()
            }
            for await _ in signals {
                await agent.hostChanged(pending.take())
                try? await Task.sleep(for: .milliseconds(20))
            }
            group.cancelAll()
        }
    }

    private final class Pending: Sendable {
        private let changes = Mutex<Set<HostChange>>([])

        func insert(_ change: HostChange) { _ = changes.withLock { $0.insert(change) } }

        func take() -> Set<HostChange> {
            changes.withLock { changes in
                defer { changes = [] }
                return changes
            }
        }
    }
}

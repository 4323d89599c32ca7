// SPDX-License-Identifier: Apache-2.0
import Kernel
package import Manifests
package import Model
import ServiceLifecycle

/// Runs a source of objects until the agent stops.
package struct SourceService: Service {
    private let source: any ResourceSource

    package init(_ source: any ResourceSource) {
        self.source = source
    }

    package func run() async throws {
        try await cancelWhenGracefulShutdown { try await endingWhenCancelled { try await source.run() } }
    }
}

/// Hands on what the source says after its first batch.
package struct ResourceService: Service {
    private let agent: Agent
    private let source: any ResourceSource

    package init(agent: Agent, source: any ResourceSource) {
        self.agent = agent
        self.source = source
    }

    package func run() async throws {
        for await batch in source.changes.cancelOnGracefulShutdown() { await agent.apply(batch) }
    }
}

/// Follows the folder of deny lists.
package struct DenyListService: Service {
    private let agent: Agent
    private let source: DenyListSource

    package init(agent: Agent, source: DenyListSource) {
        self.agent = agent
        self.source = source
    }

    package func run() async throws {
        try await cancelWhenGracefulShutdown {
            try await withThrowingDiscardingTaskGroup { group in
                group.addTask { try await endingWhenCancelled { try await source.run() } }
                for await groups in source.states { await agent.setDenyLists(groups) }
            }
        }
    }
}

/// Follows the notes that the CNI plugin leaves while the agent does not answer.
package struct TombstoneService: Service {
    private let agent: Agent
    private let folder: String

    package init(agent: Agent, folder: String) {
        self.agent = agent
        self.folder = folder
    }

    package func run() async throws {
        let watcher = try FileWatcher(folder)
        await agent.takeTombstones()
        for await _ in watcher.changes.cancelOnGracefulShutdown() { await agent.takeTombstones() }
    }
}

/// Sources run until they are cancelled: that is no failure.
private func endingWhenCancelled(_ body: () async throws -> Void) async throws {
    do { try await body() } catch is CancellationError {}
}

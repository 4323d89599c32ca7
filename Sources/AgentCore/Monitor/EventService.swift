// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
package import Logging
import ServiceLifecycle

/// Carries events from the datapath to the readers of the monitor, as long as there are any.
package struct EventService: Service {
    private let agent: Agent
    private let broadcaster: EventBroadcaster
    private let logger: Logger

    package init(agent: Agent, broadcaster: EventBroadcaster, logger: Logger) {
        self.agent = agent
        self.broadcaster = broadcaster
        self.logger = logger
    }

    package func run() async throws {
        let source = try await agent.makeEventSource()
        try await withGracefulShutdownHandler {
            var lost: UInt64 = 0
            for await event in source.events {
                let dropped = source.dropped
                defer { lost = dropped }
                // Without readers nothing is made of them, and none is missed.
                guard broadcaster.hasReaders else { continue }
                let described = await agent.describe(event)
                if dropped > lost { try publish(MonitorEvent(kind: .lost, time: described.time, lost: dropped - lost)) }
                try publish(described)
            }
        } onGracefulShutdown: {
            // Readers come to their end, too: an open monitor must not hold up the agent's stop.
            broadcaster.finish()
            source.stop()
        }
        logger.debug("event reader ended")
    }

    private func publish(_ event: MonitorEvent) throws {
        broadcaster.publish(String(decoding: try JSONText.encode(event), as: UTF8.self))
    }
}

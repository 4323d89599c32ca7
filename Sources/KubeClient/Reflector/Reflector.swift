// SPDX-License-Identifier: Apache-2.0
package import Logging
import ServiceLifecycle

/// Follows all objects of a kind (or a selection of them), through whatever happens to the connection.
///
/// What it tells is always right in the end: after a gap it lists everything, tells what is new in it, and at its end
/// what is gone. Until then what was told before holds.
package struct Reflector<Object: KubeObject>: Service {
    package struct Settings: Sendable {
        package var selection: ObjectSelection
        /// Of the first list. A cached one may be seconds old: not for who must see what was written before it began.
        package var firstList: ListFreshness = .any
        package var pageSize = 500
        /// How long a watch is asked to last.
        package var lasting: Duration = .seconds(300)
        /// A watch that says nothing for so long, not even a bookmark, is taken for dead. Servers send bookmarks about
        /// once a minute.
        package var stall: Duration = .seconds(180)
        /// A watch that ends sooner, having told nothing, counts as a failure.
        package var brief: Duration = .seconds(1)
        package var backoff = Backoff()
        /// Of the random part of waits; nil: from the system.
        package var seed: UInt64?

        package init(selection: ObjectSelection = ObjectSelection()) {
            self.selection = selection
        }
    }

    let client: APIClient
    let resource: Resource<Object>
    let settings: Settings
    let logger: Logger
    let deliver: @Sendable (ReflectorBatch<Object>) async throws -> Void

    /// `deliver` gets one batch after the other; while it works nothing more is read from the server, so it may be slow,
    /// but no slower than what happens. What it throws ends ``run()``.
    package init(
        _ client: APIClient, _ resource: Resource<Object>, settings: Settings = Settings(), logger: Logger,
        deliver: @escaping @Sendable (ReflectorBatch<Object>) async throws -> Void
    ) {
        self.client = client
        self.resource = resource
        self.settings = settings
        var logger = logger
        logger[metadataKey: "kube.resource"] = "\(resource.descriptor.plural)"
        self.logger = logger
        self.deliver = deliver
    }

    /// Runs until it is cancelled or told to shut down, and returns then. Throws only what `deliver` throws.
    package func run() async throws {
        try await cancelWhenGracefulShutdown {
            var session = ReflectorSession(self)
            do {
                try await session.run()
            } catch is CancellationError {
                // As asked.
            }
        }
    }
}

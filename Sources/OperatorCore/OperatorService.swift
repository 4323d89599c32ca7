// SPDX-License-Identifier: Apache-2.0
package import KubeClient
package import Logging
import ServiceLifecycle

/// Does what a cluster needs once, while it leads.
package struct OperatorService: Service {
    /// Something ended that never ends.
    struct Stopped: Error, CustomStringConvertible {
        let description: String
    }

    private let client: APIClient
    private let settings: OperatorSettings
    private let elector: LeaderElector
    private let health: Health
    private let logger: Logger

    /// Throws for settings that make no sense: `LeaderElector.BadSettings`, `PrefixPoolError`.
    package init(_ client: APIClient, settings: OperatorSettings, health: Health, logger: Logger) throws {
        self.client = client
        self.settings = settings
        self.health = health
        self.logger = logger
        elector = try LeaderElector(client, lease: settings.lease, settings: settings.election, logger: logger)
        if let podRanges = settings.podRanges { _ = try PodRangePools(podRanges) }
    }

    /// Runs until it is cancelled or told to shut down; the lease is released then.
    package func run() async throws {
        try await elector.run {
            defer { health.set(.standby) }
            try await lead()
        }
    }

    /// One term. All that it knows is of this term: nothing is remembered from an earlier one.
    private func lead() async throws {
        health.set(.preparing)
        let installer = DefinitionInstaller(client, settings.definitions, logger: logger) { problems in
            health.set(.preparing, problems: problems)
        }
        try await installer.install()
        let services = try services(term: "\(settings.election.identity)/\(UInt64.random(in: .min ... .max))")
        health.set(.leading)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (name, service) in services {
                group.addTask {
                    try await service.run()
                    try Task.checkCancellation()
                    throw Stopped(description: "\(name) ended")
                }
            }
            // The first one to end ends them all.
            try await group.next()
        }
    }

    private func services(term: String) throws -> [(String, any Service)] {
        let cleanup = CleanupService(client, grace: settings.nodeGrace, logger: logger)
        let identities = IdentityService(client, grace: settings.identityGrace, logger: logger)
        let podRanges = try settings.podRanges.map { try PodRangeService(client, $0, term: term, logger: logger) }
        var services: [(String, any Service)] = [
            ("cleanup", cleanup),
            ("identity collection", identities),
            ("the watch of nodes", follow(NodeHead.resource) { cleanup.deliver($0) }),
            (
                "the watch of SkeinNodes",
                follow(NodeRanges.resource) { batch in
                    podRanges?.deliver(batch)
                    cleanup.deliver(batch)
                }
            ),
            (
                "the watch of SkeinEndpointSlices",
                follow(SliceUse.resource) { batch in
                    identities.deliver(batch)
                    cleanup.deliver(batch)
                }
            ),
            ("the watch of SkeinIdentities", follow(IdentityRecord.resource) { identities.deliver($0) }),
        ]
        if let podRanges { services.append(("pod range allocation", podRanges)) }
        return services
    }

    private func follow<Object: KubeObject>(
        _ resource: Resource<Object>, _ deliver: @escaping @Sendable (ReflectorBatch<Object>) -> Void
    ) -> Reflector<Object> {
        var settings = Reflector<Object>.Settings()
        // What a former leader wrote must be in it.
        settings.firstList = .latest
        return Reflector(client, resource, settings: settings, logger: logger) { deliver($0) }
    }
}

// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Logging
package import Model
import ServiceLifecycle

/// Objects from the API server, as they are now and as they change. It also keeps what ``APIServerDirectory`` needs to
/// know up to date.
///
/// The first batch comes when the API server has told all there is, of every kind, and holds all of it; or, when that
/// takes longer than `ClusterSettings.patience`, with what the cache knows in the place of what is missing. Without a
/// cache it waits. Batches are made when they are asked for: whoever is slow gets fewer and larger ones, each object once.
///
/// - A policy that can't be used is not in force in any part. If it was valid before, that version stays in force, across
///   a restart too (by the cache), until the object is right again, or gone. Either way its error is in ``errors``, and
///   the object's status says it.
/// - Other objects that can't be used change nothing: what was known of them stays.
package final class ClusterSource: ResourceSource {
    package let changes: AsyncStream<[ResourceChange]>

    let client: APIClient
    let store: ClusterStore
    let settings: ClusterSettings
    let logger: Logger
    private let cache: ClusterCache?

    init(_ client: APIClient, _ store: ClusterStore, _ settings: ClusterSettings, logger: Logger) {
        self.client = client
        self.store = store
        self.settings = settings
        self.logger = logger
        cache = settings.cacheDirectory.map { ClusterCache(directory: $0, nodeName: settings.nodeName) }
        changes = AsyncStream { await store.nextBatch() }
    }

    /// What is wrong with objects now, in order; at most a thousand.
    package var errors: [ClusterObjectError] { store.read { $0.errors } }

    /// The same, for a ``ClusterReport``.
    package var refusals: [ClusterReport.Refusal] {
        errors.map { ClusterReport.Refusal(object: $0.object, message: $0.complaint) }
    }

    /// The kinds of objects of which the API server has not told all yet, as objects call them: what a start waits for.
    package var missing: [String] { store.read { $0.missing.map(\.name) } }

    /// Runs until cancelled, or told to shut down, once.
    package func run() async throws {
        defer { store.finish() }
        if let cache {
            let remembered = ClusterKind.policies.map { ($0, cache.policies($0)) }
            store.update { state in
                for (kind, policies) in remembered { state.policies[kind]?.remember(policies) }
            }
        }
        do {
            try await cancelWhenGracefulShutdown { try await self.follow() }
        } catch is CancellationError {
            // As asked.
        }
        save()
    }

    private func follow() async throws {
        try await withThrowingTaskGroup { group in
            for follow in self.followers { group.addTask { try await follow() } }
            group.addTask { try await self.startFromCache() }
            group.addTask { try await self.keepSaving() }
            try await group.waitForAll()
        }
        try Task.checkCancellation()
    }

    // MARK: The cache

    private func startFromCache() async throws {
        try await Task.sleep(for: settings.patience)
        let missing = missing
        guard !missing.isEmpty else { return }
        let metadata: Logger.Metadata = ["missing": "\(missing.joined(separator: ", "))"]
        guard let cache, cache.isComplete else {
            return logger.warning(
                "the API server has not told all yet, and nothing is known from before: waiting", metadata: metadata)
        }
        logger.warning("the API server has not told all yet: starting with what was known last", metadata: metadata)
        let cached = cache.load()
        store.update { $0.seed(cached) }
    }

    private func keepSaving() async throws {
        guard cache != nil else { return }
        while true {
            try await Task.sleep(for: settings.cacheInterval)
            save()
        }
    }

    /// Writes what has changed of the cache, once the API server has told everything: half of it would be worse than what
    /// is there.
    private func save() {
        guard let cache else { return }
        let snapshot = store.take { state -> ClusterState? in
            guard state.missing.isEmpty, !state.unsaved.isEmpty else { return nil }
            let snapshot = state
            state.unsaved = []
            return snapshot
        }
        guard let snapshot else { return }
        do {
            let tooLarge = try cache.save(snapshot.unsaved, of: snapshot)
            for kind in tooLarge {
                logger.warning("too much to be kept for a start without an API server", metadata: ["kind": "\(kind)"])
            }
        } catch {
            logger.error("what is known of the cluster can't be kept", metadata: ["error": "\(error)"])
            store.take { $0.unsaved.formUnion(snapshot.unsaved) }
        }
    }
}

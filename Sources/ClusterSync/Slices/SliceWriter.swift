// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Logging
import Model
import Synchronization

/// Keeps this node's SkeinEndpointSlices what they should be: whatever is told here, and whoever changes them.
final class SliceWriter: Sendable {
    private let client: APIClient
    private let store: ClusterStore
    private let settings: ClusterSettings
    private let logger: Logger
    /// nil: nobody has said yet what this node has, and what there is from before stays.
    private let desired = Mutex<[ClusterEndpoint]?>(nil)

    init(_ client: APIClient, _ store: ClusterStore, _ settings: ClusterSettings, logger: Logger) {
        self.client = client
        self.store = store
        self.settings = settings
        self.logger = logger
    }

    func set(_ endpoints: [ClusterEndpoint]) {
        let isNews = desired.withLock { desired in
            defer { desired = endpoints }
            return desired != endpoints
        }
        if isNews { store.ownSlices.fire() }
    }

    /// Runs until cancelled.
    func run() async throws {
        var view = SliceView()
        var generator = SystemRandomNumberGenerator()
        var failures = 0
        while true {
            do {
                let isDone = try await write(&view)
                failures = 0
                // Changes that come soon after each other are written together.
                if !isDone { try await Task.sleep(for: settings.sliceInterval) }
            } catch let error as KubeError {
                failures += 1
                logger.log(
                    level: failures == 1 ? .info : .warning, "this node's endpoints could not be told to the cluster",
                    metadata: ["error": "\(error)", "kube.failures": "\(failures)"])
                try await Task.sleep(for: settings.backoff.delay(attempt: failures, using: &generator))
                continue
            }
            // What is written and not shown in time may have been undone.
            let limit = view.deadline.map { max($0 - .now, .milliseconds(100)) } ?? .seconds(3_600)
            try await store.ownSlices.wait(atMost: limit)
        }
    }

    /// One round of what there is to write. True if there was nothing.
    private func write(_ view: inout SliceView) async throws -> Bool {
        let (own, owner, isLive) = store.read { state in
            (state.ownSlices, state.ownSkeinNode?.ownerReference, state.slices.isLive)
        }
        view.show(own, at: .now)
        // Without an owner they would outlive the node.
        guard isLive, let owner, let endpoints = desired.withLock({ $0 }) else { return true }
        let slices = view.slices
        var ownEndpoints: [String: [ClusterEndpoint]] = [:]
        var taken: Set<String> = []
        for (name, slice) in slices {
            if slice.nodeName == settings.nodeName {
                ownEndpoints[name] = slice.endpoints.map { ClusterEndpoint($0) }
            } else {
                taken.insert(name)
            }
        }
        let plan = SlicePlan(desired: endpoints, own: ownEndpoints, taken: taken, node: settings.nodeName)
        let changed = Set(plan.changes.map(\.name))
        // An owner that is gone takes what it owns with it.
        let orphans = ownEndpoints.filter {
            !changed.contains($0.key) && slices[$0.key]?.metadata.ownerReferences != [owner]
        }
        let changes = plan.changes + orphans.sorted { $0.key < $1.key }.map { .update($0.key, $0.value) }
        for change in changes { try await make(change, slices, owner, &view) }
        return changes.isEmpty
    }

    private func make(
        _ change: SlicePlan.Change, _ slices: [String: SkeinEndpointSlice], _ owner: OwnerReference,
        _ view: inout SliceView
    ) async throws {
        let old = slices[change.name]
        do {
            switch change {
            case .delete(let name):
                try await client.delete(
                    SkeinEndpointSlice.resource, name,
                    preconditions: old.map { .init(uid: $0.metadata.uid, resourceVersion: $0.metadata.resourceVersion) }
                )
                view.deleted(name, at: .now)
            case .create(let name, let endpoints):
                let slice = SkeinEndpointSlice(
                    metadata: ObjectMeta(name: name, ownerReferences: [owner]), nodeName: settings.nodeName,
                    endpoints: endpoints.map { .init($0) })
                view.wrote(try await client.create(SkeinEndpointSlice.resource, slice), at: .now)
            case .update(let name, let endpoints):
                let patch = Patch(
                    metadata: .init(
                        resourceVersion: old?.metadata.resourceVersion ?? "", ownerReferences: [owner]),
                    endpoints: endpoints.map { .init($0) })
                let slice = try await client.patch(SkeinEndpointSlice.resource, name, changes: patch)
                view.wrote(slice, at: .now)
            }
        } catch let error as KubeError where error.isConflict || error.isAlreadyExists || error.isNotFound {
            // Somebody else was there: the next round goes on from what it really is.
            logger.info(
                "a slice of this node was changed by somebody else", metadata: ["kube.object": "\(change.name)"])
            if let slice = try await client.find(SkeinEndpointSlice.resource, change.name) {
                view.wrote(slice, at: .now)
            } else {
                view.deleted(change.name, at: .now)
            }
        }
    }

    private struct Patch: Encodable {
        struct Metadata: Encodable {
            let resourceVersion: String
            let ownerReferences: [OwnerReference]
        }

        let metadata: Metadata
        let endpoints: [SkeinEndpointSlice.Endpoint]
    }
}

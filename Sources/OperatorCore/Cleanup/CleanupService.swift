// SPDX-License-Identifier: Apache-2.0
package import KubeClient
package import Logging
import ServiceLifecycle

/// Deletes what belongs to nodes that are gone, for as long as it runs. One run, by the leader.
package struct CleanupService: Service {
    private let client: APIClient
    private let loop: WorkLoop<CleanupMachine>
    private let logger: Logger

    package init(_ client: APIClient, grace: Duration, limit: Int = 16, logger: Logger) {
        self.client = client
        loop = WorkLoop(CleanupMachine(grace: grace), limit: limit)
        self.logger = logger
    }

    package func deliver(_ batch: ReflectorBatch<NodeHead>) {
        loop.update { machine, now in
            for change in batch.changes {
                let name = change.key.name
                // One that can't be understood is there.
                machine.nodeChanged(name, isThere: !change.isDeletion, now: now)
            }
            if batch.phase == .initialEnd { machine.loaded(.nodes, now: now) }
        }
    }

    package func deliver(_ batch: ReflectorBatch<NodeRanges>) {
        loop.update { machine, now in
            for change in batch.changes {
                switch change {
                case .changed(let node): machine.skeinNodeChanged(node.metadata.name, uid: node.metadata.uid, now: now)
                case .deleted(let key): machine.skeinNodeChanged(key.name, uid: nil, now: now)
                case .undecodable: break
                }
            }
            if batch.phase == .initialEnd { machine.loaded(.skeinNodes, now: now) }
        }
    }

    package func deliver(_ batch: ReflectorBatch<SliceUse>) {
        loop.update { machine, now in
            for change in batch.changes {
                switch change {
                case .changed(let slice): machine.sliceChanged(slice, now: now)
                case .deleted(let key), .undecodable(let key, _): machine.sliceDeleted(key.name, now: now)
                }
            }
            if batch.phase == .initialEnd { machine.loaded(.slices, now: now) }
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await loop.run { await perform($0) } }
    }

    private func perform(_ work: CleanupMachine.Work) async -> CleanupMachine.Outcome? {
        do {
            switch work {
            case .deleteNode(let name, let uid): return try await deleteNode(name, uid: uid)
            case .deleteSlice(let name, let uid, let version, let node, let owners):
                let owner = try await client.find(NodeRanges.resource, node)
                if let owner, owners.contains(owner.metadata.uid) { return .kept }
                try await client.delete(
                    SliceUse.resource, name, preconditions: .init(uid: uid, resourceVersion: version))
                logger.notice(
                    "endpoints of a node that is gone are deleted", metadata: ["slice": "\(name)", "node": "\(node)"])
                return .deleted
            }
        } catch {
            if Task.isCancelled { return nil }
            let failure = WriteFailure(error)
            if let problem = failure.problem {
                logger.warning("what a gone node has left can't be deleted", metadata: ["error": "\(problem)"])
            }
            return .failure(failure)
        }
    }

    private func deleteNode(_ name: String, uid: String) async throws -> CleanupMachine.Outcome {
        guard try await client.find(NodeHead.resource, name) == nil else { return .kept }
        // In whatever version: an agent that outlives its Node writes on.
        try await client.delete(NodeRanges.resource, name, preconditions: .init(uid: uid), propagation: .background)
        logger.notice("a SkeinNode without a Node is deleted", metadata: ["node": "\(name)"])
        return .deleted
    }
}

extension ObjectChange {
    fileprivate var key: ObjectKey {
        switch self {
        case .changed(let object): object.metadata.key
        case .deleted(let key), .undecodable(let key, _): key
        }
    }

    fileprivate var isDeletion: Bool {
        if case .deleted = self { true } else { false }
    }
}

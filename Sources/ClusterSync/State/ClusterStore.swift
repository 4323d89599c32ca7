// SPDX-License-Identifier: Apache-2.0
import Logging
import Model
import Synchronization

/// What is known of the cluster, for those who take it in and those who use it.
final class ClusterStore: Sendable {
    private let state: Mutex<ClusterState>
    private let logger: Logger
    private let batches = Signal()
    let identities = Signal()
    let ownSlices = Signal()
    let ownNode = Signal()
    let policies = Signal()

    init(nodeName: String, logger: Logger) {
        state = Mutex(ClusterState(nodeName: nodeName))
        self.logger = logger
    }

    func read<Value: Sendable>(_ body: (borrowing ClusterState) -> Value) -> Value {
        state.withLock { body($0) }
    }

    /// Changes what nobody waits for.
    @discardableResult
    func take<Value: Sendable>(_ body: (inout ClusterState) -> Value) -> Value {
        state.withLock { body(&$0) }
    }

    /// Changes it and wakes those who wait for what has changed.
    func update(_ body: (inout ClusterState) -> Void) {
        let (topics, news) = state.withLock { state in
            body(&state)
            return (state.takeTopics(), state.takeProblemNews())
        }
        for (error, isNew) in news {
            let metadata: Logger.Metadata = ["error": "\(error)", "kube.object": "\(error.object)"]
            if isNew {
                logger.warning("object of the cluster can't be used", metadata: metadata)
            } else {
                logger.notice("error of an object of the cluster resolved", metadata: metadata)
            }
        }
        if topics.contains(.batch) { batches.fire() }
        if topics.contains(.identities) { identities.fire() }
        if topics.contains(.ownSlices) { ownSlices.fire() }
        if topics.contains(.ownNode) { ownNode.fire() }
        if topics.contains(.policies) { policies.fire() }
    }

    /// What has changed since the last call, when there is something; nil: the end. For one caller at a time.
    func nextBatch() async -> [ResourceChange]? {
        repeat {
            if let batch = state.withLock({ $0.takeBatch() }) { return batch }
        } while await batches.wait()
        return nil
    }

    /// There will be no more batches.
    func finish() { batches.finish() }
}

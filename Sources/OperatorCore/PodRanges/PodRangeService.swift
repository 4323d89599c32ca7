// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
package import IPAM
package import KubeClient
package import Logging
import NetTypes
import ServiceLifecycle

/// Hands out pod ranges for as long as it runs. One run, by the leader.
package struct PodRangeService: Service {
    /// Who our fields of a SkeinNode belong to.
    package static let manager = "skein-operator"
    /// Of the status: older servers don't tell the fields of a subresource from others, and would take away the ranges that
    /// an apply of the status does not name.
    package static let statusManager = "skein-operator-status"
    /// The annotation that a new leader touches objects with.
    package static let fenceKey = "skein.dev/pod-cidr-leader"

    private let client: APIClient
    private let loop: WorkLoop<PodRangeMachine>
    private let term: String
    private let logger: Logger

    /// `term`: says which leader this is, and which time it leads. Never the same twice.
    package init(
        _ client: APIClient, _ settings: PodRangeSettings, term: String, limit: Int = 32, logger: Logger
    ) throws(PrefixPoolError) {
        self.client = client
        loop = WorkLoop(try PodRangeMachine(settings), limit: limit)
        self.term = term
        self.logger = logger
    }

    package func deliver(_ batch: ReflectorBatch<NodeRanges>) {
        loop.update { machine, _ in
            for change in batch.changes {
                switch change {
                case .changed(let node): machine.changed(node)
                case .deleted(let key): machine.deleted(key.name)
                // What was known holds on, and what it may say besides is checked when it can be read.
                case .undecodable: break
                }
            }
            if batch.phase == .initialEnd { machine.loaded() }
        }
    }

    package func run() async throws {
        await cancelWhenGracefulShutdown { await loop.run { await perform($0) } }
    }

    private func perform(_ work: PodRangeMachine.Work) async -> PodRangeMachine.Outcome? {
        do {
            return .done(try await write(work))
        } catch {
            if Task.isCancelled { return nil }
            let failure = WriteFailure(error)
            if let problem = failure.problem {
                logger.warning(
                    "a node's pod ranges can't be written",
                    metadata: ["node": "\(work.target.name)", "error": "\(problem)"])
            }
            return .failure(failure)
        }
    }

    private func write(_ work: PodRangeMachine.Work) async throws -> NodeRanges {
        let name = work.target.name
        switch work {
        case .fence(let target):
            return try await client.patch(
                NodeRanges.resource, name,
                changes: AnnotationPatch(version: target.version, key: Self.fenceKey, value: term))
        case .write(let target, let ranges, let lost):
            let node = try await client.apply(
                NodeRanges.resource, name, RangesPatch(target, ranges), manager: Self.manager, force: true)
            for text in lost {
                logger.warning("a pod range is taken away", metadata: ["node": "\(name)", "reason": "\(text)"])
            }
            logger.info(
                "pod ranges are given",
                metadata: ["node": "\(name)", "ranges": "\(ranges.map(\.description).joined(separator: ","))"])
            return node
        case .report(let target, let condition):
            if !condition.isTrue {
                logger.warning(
                    "a node gets no pod range", metadata: ["node": "\(name)", "reason": "\(condition.message)"])
            }
            return try await client.apply(
                NodeRanges.resource, name, subresource: .status, StatusPatch(target, condition),
                manager: Self.statusManager, force: true)
        }
    }
}

private struct RangesPatch: Encodable {
    struct Spec: Encodable {
        let podCIDRs: [Prefix]
    }

    let metadata: ObjectMeta
    let spec: Spec

    init(_ target: PodRangeMachine.Target, _ ranges: [Prefix]) {
        // With a uid, an apply makes no object.
        metadata = ObjectMeta(name: target.name, uid: target.uid, resourceVersion: target.version)
        spec = Spec(podCIDRs: ranges)
    }
}

private struct StatusPatch: Encodable {
    struct Status: Encodable {
        let conditions: [KubeCondition]
    }

    let metadata: ObjectMeta
    let status: Status

    init(_ target: PodRangeMachine.Target, _ condition: NodeRanges.Condition) {
        // Whatever else of it changes meanwhile does not matter.
        metadata = ObjectMeta(name: target.name, uid: target.uid)
        status = Status(conditions: [
            KubeCondition(
                type: NodeRanges.conditionType, status: condition.isTrue ? "True" : "False", reason: condition.reason,
                message: condition.message, lastTransitionTime: timestamp(Date()))
        ])
    }
}

/// Sets or removes an annotation, if the object is still in that version.
struct AnnotationPatch: Encodable {
    struct Metadata: Encodable {
        let resourceVersion: String
        /// nil removes it.
        let annotations: [String: String?]
    }

    let metadata: Metadata

    init(version: String, key: String, value: String?) {
        metadata = Metadata(resourceVersion: version, annotations: [key: value])
    }
}

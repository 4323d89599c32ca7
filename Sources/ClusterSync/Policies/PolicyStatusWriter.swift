// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import KubeClient
import Logging
import Model
import Synchronization

/// Writes the conditions of SkeinNetworkPolicies and SkeinClusterNetworkPolicies. No other kind of policy has any that
/// are written here.
final class PolicyStatusWriter: Sendable {
    private struct Due {
        let reference: ObjectReference
        let descriptor: ResourceDescriptor
        let record: PolicyRecord
        let plan: PolicyStatusPlan
    }

    private let client: APIClient
    private let store: ClusterStore
    private let settings: ClusterSettings
    private let logger: Logger
    private let states = Mutex<[ObjectReference: PolicyState]>([:])

    init(_ client: APIClient, _ store: ClusterStore, _ settings: ClusterSettings, logger: Logger) {
        self.client = client
        self.store = store
        self.settings = settings
        self.logger = logger
    }

    func set(_ state: PolicyState, of policy: ObjectReference) {
        guard ClusterKind(policyOfKind: policy.kind)?.hasStatus ?? false else { return }
        let isNews = states.withLock { $0.updateValue(state, forKey: policy) != state }
        if isNews { store.policies.fire() }
    }

    /// Runs until cancelled.
    func run() async throws {
        var generator = SystemRandomNumberGenerator()
        var failures = 0
        while true {
            let due = due()
            if !due.isEmpty {
                // Most likely somebody else does it meanwhile: what is left is written.
                try await Task.sleep(for: spread(&generator))
                do {
                    for one in self.due() { try await write(one) }
                    failures = 0
                } catch let error as KubeError {
                    failures += 1
                    logger.log(
                        level: failures == 1 ? .info : .warning, "the status of a policy could not be written",
                        metadata: ["error": "\(error)", "kube.failures": "\(failures)"])
                    try await Task.sleep(for: settings.backoff.delay(attempt: failures, using: &generator))
                    continue
                }
            }
            // What was written is shown soon.
            try await store.policies.wait(atMost: due.isEmpty ? .seconds(600) : .seconds(5))
        }
    }

    private func spread(_ generator: inout some RandomNumberGenerator) -> Duration {
        let nodes = store.read { max($0.nodes.values.count, 1) }
        let whole = min(settings.statusSpread * nodes, settings.statusLimit)
        return Backoff.shortened(whole, by: 1, using: &generator)
    }

    private func due() -> [Due] {
        let states = states.withLock { $0 }
        let (due, gone) = store.read { state -> ([Due], [ObjectReference]) in
            var due: [Due] = []
            var known: Set<ObjectReference> = []
            for kind in ClusterKind.policies where kind.hasStatus {
                guard let table = state.policies[kind], let descriptor = kind.policyDescriptor else { continue }
                let nodes = state.nodes.values
                for (reference, record) in table.records {
                    if states[reference] != nil { known.insert(reference) }
                    // From the cache: there is no version that could be written.
                    if record.version.isEmpty { continue }
                    let plan = PolicyStatusPlan(
                        record, state: states[reference], node: state.nodeName, isNode: { nodes[$0] != nil })
                    if plan.changes.isEmpty { continue }
                    due.append(Due(reference: reference, descriptor: descriptor, record: record, plan: plan))
                }
            }
            return (due, states.keys.filter { !known.contains($0) })
        }
        // Of policies that are gone. One that is only on its way here is told of again when it is enforced.
        self.states.withLock { states in for reference in gone { states[reference] = nil } }
        return due.sorted { $0.reference < $1.reference }
    }

    private func write(_ due: Due) async throws {
        let patch = Patch(
            metadata: .init(resourceVersion: due.record.version),
            status: .init(conditions: due.plan.applied(to: due.record.conditions, now: timestamp(.now))))
        do {
            try await client.patch(
                Resource<RawObject>.raw(due.descriptor), due.reference.name, namespace: due.reference.namespace,
                subresource: .status, changes: patch)
        } catch let error as KubeError where error.isConflict || error.isNotFound {
            // The watch will show what it is now.
        }
    }

    private struct Patch: Encodable {
        struct Metadata: Encodable {
            let resourceVersion: String
        }

        struct Status: Encodable {
            let conditions: [KubeCondition]
        }

        let metadata: Metadata
        let status: Status
    }
}

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

        var what: What { What(reference: reference, plan: plan) }
    }

    /// What of it may be the same again.
    private struct What: Hashable {
        let reference: ObjectReference
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
        var repeated = RepeatedWrites<[What]>(settings.repeatBackoff)
        while true {
            var due = due()
            if let wait = repeated.wait(before: due.map(\.what), at: .now) {
                try await store.policies.wait(atMost: wait)
                continue
            }
            if !due.isEmpty {
                // Most likely somebody else does it meanwhile: what is left is written.
                try await Task.sleep(for: spread(&generator))
                due = self.due()
                do {
                    var isTaken = true
                    for one in due where try await !write(one) { isTaken = false }
                    failures = 0
                    if isTaken, !due.isEmpty {
                        repeated.wrote(due.map(\.what), at: .now, using: &generator)
                        continue
                    }
                } catch let error as KubeError {
                    failures += 1
                    logger.log(
                        level: failures == 1 ? .info : .warning, "the status of a policy could not be written",
                        metadata: ["error": "\(error)", "kube.failures": "\(failures)"])
                    try await Task.sleep(for: settings.backoff.delay(attempt: failures, using: &generator))
                    continue
                }
            }
            if due.isEmpty { repeated.forget() }
            // What somebody else wrote meanwhile is shown soon.
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

    /// False: it is in another version by now.
    private func write(_ due: Due) async throws -> Bool {
        let patch = Patch(
            metadata: .init(resourceVersion: due.record.version),
            status: .init(conditions: due.plan.applied(to: due.record.conditions, now: timestamp(.now))))
        do {
            try await client.patch(
                Resource<RawObject>.raw(due.descriptor), due.reference.name, namespace: due.reference.namespace,
                subresource: .status, changes: patch)
            return true
        } catch let error as KubeError where error.isConflict || error.isNotFound {
            // The watch will show what it is now.
            return false
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

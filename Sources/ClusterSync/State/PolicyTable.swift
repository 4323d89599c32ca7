// SPDX-License-Identifier: Apache-2.0
import KubeClient
import Model
import ObjectDecoding

/// A policy as the API server sent it.
struct ReceivedPolicy: Sendable {
    enum Content: Sendable {
        /// `text`: what the cache keeps of it.
        case valid(DecodedObject, text: [UInt8])
        case invalid([ClusterObjectError])
    }

    let reference: ObjectReference
    let metadata: ObjectMeta
    let content: Content
    /// Of its status; those that are written here.
    let conditions: [KubeCondition]
}

/// What is known of a policy beside what it says.
struct PolicyRecord: Sendable {
    var uid: String
    /// Of the newest version of the object.
    var version: String
    var generation: Int64
    /// Why the newest version is refused; nil: it is valid.
    var problem: String?
    var conditions: [KubeCondition]
    /// The version that is in force, or is to be; nil: none is.
    var validGeneration: Int64?
    /// The version that the consumer was told of last.
    var toldGeneration: Int64?
    /// Of the valid version.
    var text: [UInt8]
}

/// The policies of one kind.
///
/// An object that is edited so that it can't be used stays in force as it was before, as long as it is the same object:
/// what was enforced stays enforced, across a restart too. One that never was valid here is not in force.
struct PolicyTable: Sendable {
    /// What was valid when the agent ran last.
    struct Remembered: Sendable {
        let object: DecodedObject
        let uid: String
        let generation: Int64
        let text: [UInt8]
    }

    private(set) var objects = KindTable<ObjectReference, DecodedObject>()
    private(set) var records: [ObjectReference: PolicyRecord] = [:]
    private var remembered: [ObjectReference: Remembered] = [:]

    /// What to fall back on for an object that is invalid now. Of no effect by itself.
    mutating func remember(_ policies: [Remembered]) {
        guard !objects.isLive else { return }
        for policy in policies { remembered[policy.object.reference] = policy }
    }

    /// Puts in force what was valid last, until the API server tells.
    mutating func seedFromRemembered() {
        guard !objects.isLive else { return }
        for (reference, policy) in remembered where records[reference] == nil {
            records[reference] = PolicyRecord(
                uid: policy.uid, version: "", generation: policy.generation, problem: nil, conditions: [],
                validGeneration: policy.generation, toldGeneration: nil, text: policy.text)
            objects.seed([(reference, policy.object)])
        }
    }

    mutating func set(_ policy: ReceivedPolicy) {
        let reference = policy.reference
        let old = records[reference].flatMap { $0.uid == policy.metadata.uid ? $0 : nil }
        var record = PolicyRecord(
            uid: policy.metadata.uid, version: policy.metadata.resourceVersion,
            generation: policy.metadata.generation, problem: nil, conditions: policy.conditions,
            validGeneration: old?.validGeneration, toldGeneration: old?.toldGeneration, text: old?.text ?? [])
        switch policy.content {
        case .valid(let object, let text):
            record.validGeneration = policy.metadata.generation
            record.text = text
            let isNews = objects.set(reference, object)
            // Another version that says the same: whoever has the one has the other.
            if !isNews, !objects.isPending(reference) { record.toldGeneration = record.validGeneration }
        case .invalid(let problems):
            record.problem = problems.map(\.complaint).joined(separator: "; ")
            if record.validGeneration != nil {
                objects.confirm(reference)
            } else if let last = remembered[reference], last.uid == policy.metadata.uid {
                record.validGeneration = last.generation
                record.text = last.text
                objects.set(reference, last.object)
            } else {
                objects.set(reference, nil)
            }
        }
        records[reference] = record
    }

    /// It can't even be told which object it is a version of.
    mutating func confirm(_ reference: ObjectReference) {
        objects.confirm(reference)
    }

    mutating func remove(_ reference: ObjectReference) {
        objects.set(reference, nil)
        records[reference] = nil
    }

    /// Those that only the cache knew.
    mutating func becomeLive() -> [ObjectReference] {
        remembered = [:]
        let gone = objects.becomeLive()
        for reference in gone { records[reference] = nil }
        return gone
    }

    /// The kind is no longer served.
    mutating func removeAll() {
        for reference in objects.values.keys { objects.set(reference, nil) }
        records = [:]
    }

    mutating func takePending() -> [ResourceChange] {
        objects.takePending().map { reference, object in
            let generation = records[reference]?.validGeneration
            records[reference]?.toldGeneration = generation
            return object.map { ResourceChange($0) } ?? ResourceChange(removalOf: reference)
        }
    }
}

extension ResourceChange {
    /// `reference` is that of a policy.
    init(removalOf reference: ObjectReference) {
        switch reference.kind {
        case SkeinNetworkPolicy.namespacedKind, SkeinNetworkPolicy.clusterKind:
            self = .skeinNetworkPolicy(reference, nil)
        case ClusterNetworkPolicy.kind: self = .clusterNetworkPolicy(reference, nil)
        default: self = .networkPolicy(reference, nil)
        }
    }
}

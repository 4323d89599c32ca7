// SPDX-License-Identifier: Apache-2.0
import Model
import Synchronization

/// A cluster that answers when it is told to, and remembers what it was asked and told.
final class FakeDirectory: ClusterDirectory, NodeReadiness {
    struct Refusal: Error {}

    struct State {
        /// What labels get; others get no answer.
        var numbers: [SecurityLabels: IdentityNumber] = [:]
        var next: IdentityNumber = 1_000
        /// Every question gets an answer at once: the next number.
        var answersAll = true
        var refusals = 0
        var asked: [SecurityLabels] = []
        var endpoints: [[ClusterEndpoint]] = []
        var states: [(ObjectReference, PolicyState)] = []
        var nodes: [NodeState] = []
        var announcements = 0
        fileprivate var waiting: [(SecurityLabels, UInt64, CheckedContinuation<IdentityNumber, any Error>)] = []
        fileprivate var lastID: UInt64 = 0
    }

    private let state = Mutex(State())

    var snapshot: State { state.withLock { $0 } }

    func update(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// Gives the answer to whoever waits for it, and to those who come.
    func answer(_ labels: SecurityLabels, _ number: IdentityNumber) {
        let waiting = state.withLock { state in
            state.numbers[labels] = number
            let found = state.waiting.filter { $0.0 == labels }
            state.waiting.removeAll { $0.0 == labels }
            return found
        }
        for (_, _, continuation) in waiting { continuation.resume(returning: number) }
    }

    func identity(of labels: SecurityLabels) async throws -> IdentityNumber {
        let (answer, id): (Result<IdentityNumber, Refusal>?, UInt64) = state.withLock { state in
            state.asked.append(labels)
            state.lastID += 1
            if state.refusals > 0 {
                state.refusals -= 1
                return (.failure(Refusal()), 0)
            }
            if state.answersAll, state.numbers[labels] == nil {
                state.numbers[labels] = state.next
                state.next += 1
            }
            return (state.numbers[labels].map { .success($0) }, state.lastID)
        }
        if let answer { return try answer.get() }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let isCancelled = state.withLock { state in
                    if Task.isCancelled { return true }
                    state.waiting.append((labels, id, continuation))
                    return false
                }
                if isCancelled { continuation.resume(throwing: CancellationError()) }
            }
        } onCancel: {
            let found = state.withLock { state in
                let found = state.waiting.filter { $0.1 == id }
                state.waiting.removeAll { $0.1 == id }
                return found
            }
            for (_, _, continuation) in found { continuation.resume(throwing: CancellationError()) }
        }
    }

    func setEndpoints(_ endpoints: [ClusterEndpoint]) async {
        state.withLock { $0.endpoints.append(endpoints) }
    }

    func setPolicyState(_ state: PolicyState, of policy: ObjectReference) async {
        self.state.withLock { $0.states.append((policy, state)) }
    }

    func setNodeState(_ node: NodeState) async { state.withLock { $0.nodes.append(node) } }

    func announceReady() async { state.withLock { $0.announcements += 1 } }
}

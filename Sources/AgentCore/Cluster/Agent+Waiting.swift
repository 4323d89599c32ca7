// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Model

// ADD in a cluster. Nothing of it is done before all is known that it takes, and then all of it at once: between looking and
// doing nothing is awaited.
extension Agent {
    private enum Attempt<Result: Sendable> {
        case done(Result)
        /// What isn't known yet, for a person.
        case missing(String)
    }

    /// `allocate` as soon as the pod's identity is known.
    func reserveWhenKnown(_ request: AllocateRequest) async throws -> AllocateReply {
        try validate(request)
        guard !request.podName.isEmpty else {
            throw APIError(
                code: APIError.Code.badRequest,
                message: "K8S_POD_NAME is missing in CNI_ARGS: in a cluster every endpoint belongs to a pod")
        }
        let key = EndpointKey(containerID: request.containerID, interface: request.interface)
        try requireLatest(request, key, after: waitingAdds[key]?.attempt)
        try requireLatest(request, key, after: deletions[key]?.attempt)
        lastTicket += 1
        let ticket = lastTicket
        if waitingAdds.updateValue((ticket, request.attempt), forKey: key) != nil { bell.ring() }
        defer { if waitingAdds[key]?.ticket == ticket { waitingAdds[key] = nil } }
        return try await trying("\(request.podNamespace)/\(request.podName)") {
            guard waitingAdds[key]?.ticket == ticket else {
                throw APIError(
                    code: APIError.Code.conflict, message: "endpoint \(key) was deleted, or added again, meanwhile",
                    retryable: true)
            }
            if conditions.blocking.isEmpty, endpointTable[key] == nil,
                let missing = missing(
                    policy.identity(namespace: request.podNamespace, name: request.podName, uid: request.podUID))
            {
                return .missing(missing)
            }
            return .done(try reserve(request))
        }
    }

    /// `attach` as soon as the identity of the pod's labels is known.
    func attachWhenKnown(_ key: EndpointKey, ifindex: UInt32, attempt: String?) async throws {
        let number = endpointTable[key]?.number
        try await trying(endpointTable[key]?.podText ?? key.description) {
            guard let record = endpointTable[key], record.state != .ready, record.isOf(attempt) else {
                return .done(try attachNow(key, ifindex: ifindex, attempt: attempt))
            }
            // It was deleted, and added again.
            guard record.number == number else { throw Self.unreserved(key) }
            let answer = policy.identity(of: record)
            if let missing = missing(answer) { return .missing(missing) }
            if case .known(let identity) = answer { _ = endpointTable.setIdentity(identity, of: key) }
            return .done(try attachNow(key, ifindex: ifindex, attempt: attempt))
        } giveUp: {
            if let record = endpointTable[key], record.number == number, record.state != .ready, record.isOf(attempt) {
                undo(record)
            }
        }
    }

    /// Somebody deletes the endpoint that an ADD waits for.
    func endWaiting(_ key: EndpointKey) {
        if waitingAdds.removeValue(forKey: key) != nil { bell.ring() }
    }

    /// What keeps a pod from having its identity; asks for the number if it is that. nil: nothing.
    private func missing(_ answer: IdentityAnswer) -> String? {
        switch answer {
        case .known: return nil
        case .unknown(let reason): return reason
        case .unnumbered(let labels):
            ask(for: labels)
            return "its labels have no identity yet" + (outbox.problem.map { ": \($0)" } ?? "")
        }
    }

    /// Tries whenever something has changed, until it can be done or takes too long.
    ///
    /// - Parameter giveUp: called before this throws because of the time.
    private func trying<Result: Sendable>(
        _ pod: String, _ attempt: () throws -> Attempt<Result>, giveUp: () -> Void = {}
    ) async throws -> Result {
        let patience = settings.cluster?.addPatience ?? .zero
        let deadline = ContinuousClock.now + patience
        while true {
            switch try attempt() {
            case .done(let result): return result
            case .missing(let what):
                if await waitForChange(until: deadline) { continue }
                // The last moment may have brought it.
                if case .done(let result) = try attempt() { return result }
                giveUp()
                throw APIError(
                    code: APIError.Code.notReady, message: "pod \(pod): \(what)" + clusterProblem, retryable: true)
            }
        }
    }

    private var clusterProblem: String {
        guard let report = reports.cluster?(), report.awaySince != nil else { return "" }
        return "; the API server \(report.server) does not answer" + (report.problem.map { " (\($0))" } ?? "")
    }
}

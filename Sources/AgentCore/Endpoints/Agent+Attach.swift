// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Datapath
import IPAM
import Logging
import PolicyEngine

extension Agent {
    /// Puts an endpoint's policy into the kernel and the programs onto its veth, in this order: from the first packet
    /// on the pod has its policy. Returns when all of it is so.
    ///
    /// In a cluster it waits until the identity of the pod's labels, as they are then, is known.
    ///
    /// - Parameters:
    ///   - ifindex: of the host side of the veth.
    ///   - attempt: the call of the plugin that made the reservation; nil: one that doesn't say.
    /// - Throws: `APIError`; then an endpoint that was pending, and is this attempt's, is gone with all that was reserved for it.
    package func attach(_ key: EndpointKey, ifindex: UInt32, attempt: String? = nil) async throws {
        guard settings.cluster != nil else { return try attachNow(key, ifindex: ifindex, attempt: attempt) }
        try await attachWhenKnown(key, ifindex: ifindex, attempt: attempt)
    }

    /// `attach` of what may be done now.
    func attachNow(_ key: EndpointKey, ifindex: UInt32, attempt: String?) throws {
        let datapath = try requireDatapath()
        guard let record = endpointTable[key] else { throw Self.unreserved(key) }
        guard record.isOf(attempt) else {
            throw APIError(
                code: APIError.Code.conflict,
                message: "endpoint \(key) (\(record.podText)) was added again meanwhile", retryable: true)
        }
        if record.state == .ready, record.ifindex == ifindex { return }
        if record.state == .ready {
            // The pod that runs is no business of whoever asks for another device.
            throw APIError(
                code: APIError.Code.conflict, message: "endpoint \(key) (\(record.podText)) is attached already",
                retryable: false)
        }
        do {
            try requireLink(record, ifindex: ifindex)
            try putPolicy(of: record)
            try bind(record, ifindex: ifindex, to: datapath, policy)
            try datapath.attach(record.number)
            let took = (attempt ?? record.attempt).flatMap(AddAttempt.age)
            if let ready = endpointTable.markReady(key, ifindex: ifindex, after: took, at: clock.seconds) {
                try store.save(ready)
            }
            tellCluster()
        } catch {
            undo(record)
            throw apiError(error, "endpoint \(key) (\(record.podText))")
        }
        logger.info(
            "endpoint ready",
            metadata: ["endpoint": "\(record.number)", "pod": "\(record.podText)", "device": "\(record.hostInterface)"])
    }

    static func unreserved(_ key: EndpointKey) -> APIError {
        APIError(
            code: APIError.Code.notFound, message: "endpoint \(key) is unknown: its reservation is gone",
            retryable: true)
    }

    /// The plugin may name only the device that was agreed on.
    private func requireLink(_ record: EndpointRecord, ifindex: UInt32) throws(APIError) {
        guard host.linkIndex(named: record.hostInterface) == ifindex else {
            throw APIError(
                code: APIError.Code.conflict,
                message:
                    "endpoint \(record.key) (\(record.podText)): there is no device \(record.hostInterface) with index "
                    + "\(ifindex) on the host", retryable: true)
        }
    }

    /// The peers of all other endpoints know the pod, and its own rules are in the kernel.
    private func putPolicy(of record: EndpointRecord) throws {
        guard conditions[.policy] == nil else {
            throw APIError(
                code: APIError.Code.notReady, message: conditions[.policy] ?? "", retryable: true)
        }
        policy.setEndpoint(record)
        try applyPolicy()
    }

    /// The element of an endpoint in the datapath's map.
    func bind(
        _ record: EndpointRecord, ifindex: UInt32, to datapath: any DatapathControl, _ policy: PolicyController
    ) throws {
        guard let view = policy.view(of: record.number) else {
            throw APIError(
                code: APIError.Code.internal, message: "endpoint \(record.number) has no policy", retryable: true)
        }
        let endpoint = LocalEndpoint(
            number: record.number, ifindex: ifindex, hostInterface: record.hostInterface, mac: record.podMAC,
            ipv4: record.ipv4, ipv6: record.ipv6)
        try datapath.setEndpoint(endpoint, view: view)
    }

    /// Takes back what `allocate` and `attach` did. The plugin removes the veth, which is in its hands.
    func undo(_ record: EndpointRecord) {
        log(record, "detach") { try datapath?.removeEndpoint(record.number) }
        _ = endpointTable.markGone(record.key, at: clock.seconds)
        policy.removeEndpoint(record.number)
        applyPolicyOrNote()
        log(record, "forget") { try store.remove(record.key) }
        forget(record)
        tellCluster()
    }

    /// Frees an endpoint's number and addresses. It is out of the kernel and of the store by now.
    func forget(_ record: EndpointRecord) {
        _ = endpointTable.remove(record.key)
        pools.release(owner: record.key.description)
        freedAddresses.formUnion(record.addresses)
        poolsChanged = true
    }

    /// For steps that must not keep the next ones from being done.
    func log(_ record: EndpointRecord, _ step: String, _ body: () throws -> Void) {
        do { try body() } catch {
            logger.error(
                "endpoint cleanup failed",
                metadata: [
                    "endpoint": "\(record.number)", "pod": "\(record.podText)", "step": "\(step)", "error": "\(error)",
                ])
        }
    }
}

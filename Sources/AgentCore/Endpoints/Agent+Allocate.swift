// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import IPAM
import NetTypes

extension Agent {
    /// Reserves a number and addresses, or gives the reservation that this container and interface have already.
    ///
    /// Nothing is in the kernel yet. A reservation that never gets attached expires. In a cluster it waits until the pod
    /// and its identity are known, so that nobody is wired who can't be attached.
    /// - Throws: `APIError`; then nothing is reserved.
    package func allocate(_ request: AllocateRequest) async throws -> AllocateReply {
        guard settings.cluster != nil else { return try reserve(request) }
        return try await reserveWhenKnown(request)
    }

    /// `allocate` of what may be done now.
    func reserve(_ request: AllocateRequest) throws -> AllocateReply {
        let key = EndpointKey(containerID: request.containerID, interface: request.interface)
        if let problem = conditions.blocking.first {
            throw APIError(code: APIError.Code.notReady, message: problem, retryable: true)
        }
        try validate(request)
        try requireLatest(request, key, after: deletions[key]?.attempt)
        // A deletion that the plugin could only write down comes before this.
        if Tombstone(key).takeBack(in: settings.runDirectory.path) { try delete(key) }
        if endpointTable[key] != nil { return try reply(again: key, request) }

        guard let number = endpointTable.takeNumber() else {
            throw APIError(
                code: APIError.Code.exhausted,
                message: "all \(settings.endpointLimit) endpoint numbers are taken; raise --map-endpoints",
                retryable: true)
        }
        do {
            let addresses = try pools.allocate(to: key.description)
            if !freedAddresses.isDisjoint(with: [addresses.ipv4, addresses.ipv6].compactMap(\.self)) {
                // Its last owner's connections are not the new one's.
                try forgetFreedFlows()
            }
            let record = EndpointRecord(
                number: number, key: key, network: request.network, netns: request.netns,
                podNamespace: request.podNamespace, podName: request.podName, podUID: request.podUID,
                labels: request.labels, ipv4: addresses.ipv4, ipv6: addresses.ipv6,
                hostInterface: key.hostInterfaceName, ifindex: nil, state: .pending, attempt: request.attempt,
                since: clock.seconds)
            try store.save(record)
            endpointTable.insert(record)
            poolsChanged = true
            return reply(for: record)
        } catch {
            pools.release(owner: key.description)
            endpointTable.returnNumber(number)
            throw apiError(error, "endpoint \(key)")
        }
    }

    /// The reply for an endpoint that exists; one whose veth had vanished is pending again.
    private func reply(again key: EndpointKey, _ request: AllocateRequest) throws -> AllocateReply {
        if let pending = endpointTable[key], pending.state == .pending {
            try requireLatest(request, key, after: pending.attempt)
        }
        guard
            let record = endpointTable.readd(
                key, netns: request.netns, attempt: request.attempt, at: clock.seconds)
        else {
            throw APIError(code: APIError.Code.internal, message: "endpoint \(key) is unknown", retryable: true)
        }
        do { try store.save(record) } catch { throw apiError(error, "endpoint \(key)") }
        return reply(for: record)
    }

    /// What a killed call has asked may be heard after what the next one did.
    func requireLatest(_ request: AllocateRequest, _ key: EndpointKey, after latest: String?) throws {
        guard let latest, let attempt = request.attempt, attempt < latest else { return }
        throw APIError(
            code: APIError.Code.conflict, message: "endpoint \(key) is being added, or was deleted, by a later call",
            retryable: true)
    }

    private func reply(for record: EndpointRecord) -> AllocateReply {
        AllocateReply(
            endpoint: record.number, hostInterface: record.hostInterface, podMAC: record.podMAC,
            gatewayMAC: record.gatewayMAC, ipv4: record.ipv4, ipv6: record.ipv6, gateway4: Gateway.ipv4,
            gateway6: Gateway.ipv6, mtu: mtu, state: record.state)
    }

    func validate(_ request: AllocateRequest) throws(APIError) {
        func reject(_ field: String, _ problem: String) -> APIError {
            APIError(code: APIError.Code.badRequest, message: "\(field) \(problem)")
        }
        for (field, value) in [("containerID", request.containerID), ("interface", request.interface)] {
            guard !value.isEmpty else { throw reject(field, "is empty") }
            // They become parts of a file's name.
            guard value.utf8.count <= 200, !value.contains("/"), !value.hasPrefix("."), !value.contains("\0") else {
                throw reject(field, "\"\(value)\" can't be a name")
            }
        }
        guard request.podNamespace.isEmpty == request.podName.isEmpty else {
            throw reject("podNamespace and podName", "belong together: give both or neither")
        }
    }
}

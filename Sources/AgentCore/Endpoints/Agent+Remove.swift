// SPDX-License-Identifier: Apache-2.0
package import AgentIPC
import Logging

extension Agent {
    /// Removes an endpoint, its veth included. Succeeds for one that is unknown.
    /// - Parameter attempt: names the call, so that what an earlier one asks for is not done after it.
    /// - Throws: `APIError`; then the endpoint is still known, and the call can be made again.
    package func delete(_ key: EndpointKey, attempt: String? = nil) throws {
        if let attempt {
            // It is heard after a later call has added the endpoint again.
            if let later = endpointTable[key]?.attempt ?? waitingAdds[key]?.attempt, attempt < later { return }
            deletions[key] = (max(attempt, deletions[key]?.attempt ?? ""), clock.seconds)
        }
        _ = Tombstone(key).takeBack(in: settings.runDirectory.path)
        endWaiting(key)
        do {
            guard let record = endpointTable[key] else {
                // What an ADD that was killed, or a lost file, may have left.
                try host.deleteLink(named: key.hostInterfaceName)
                return
            }
            try remove(record)
        } catch {
            throw apiError(error, "endpoint \(key)")
        }
    }

    /// Takes back what a call of the plugin had reserved, its veth included. What another call has reserved since, and may
    /// have wired, is none of its business.
    /// - Throws: `APIError`; then the call can be made again.
    package func release(_ key: EndpointKey, attempt: String) throws {
        if waitingAdds[key]?.attempt == attempt { endWaiting(key) }
        guard let record = endpointTable[key], record.attempt == attempt else { return }
        do {
            try remove(record)
        } catch {
            throw apiError(error, "endpoint \(key)")
        }
    }

    /// Removes every endpoint of a network that the runtime does not know any more.
    package func collectGarbage(network: String, keep: Set<EndpointKey>) throws -> GCReply {
        var removed: [EndpointKey] = []
        var failure: (any Error)?
        for record in endpointTable.all where record.network == network && !keep.contains(record.key) {
            do {
                try remove(record)
                removed.append(record.key)
            } catch {
                failure = failure ?? apiError(error, "endpoint \(record.key)")
            }
        }
        if let failure { throw failure }
        return GCReply(removed: removed)
    }

    /// Does what the plugin wrote down while no agent answered.
    package func takeTombstones() {
        do {
            for tombstone in try tombstones.take() {
                let key = tombstone.endpoint
                do {
                    if let attempt = tombstone.attempt {
                        try release(key, attempt: attempt)
                    } else {
                        try delete(key)
                    }
                } catch {
                    logger.error("deletion failed", metadata: ["endpoint": "\(key)", "error": "\(error)"])
                }
            }
        } catch {
            logger.error("notes of deletions can't be read", metadata: ["error": "\(error)"])
        }
    }

    /// Removes endpoints that have had no working pod behind them for too long.
    package func expireEndpoints() {
        deletions = deletions.filter { clock.seconds - $0.value.at < AgentSettings.expiry }
        for record in endpointTable.expired(at: clock.seconds, age: AgentSettings.expiry) {
            logger.notice(
                "endpoint expired",
                metadata: [
                    "endpoint": "\(record.number)", "pod": "\(record.podText)", "state": "\(record.state.rawValue)",
                ])
            log(record, "expire") { try remove(record) }
        }
    }

    /// Its veth has vanished: out of the kernel with it. Number and addresses stay reserved until the runtime deletes
    /// the endpoint, or until it expires.
    func markGone(_ record: EndpointRecord) {
        guard let gone = endpointTable.markGone(record.key, at: clock.seconds) else { return }
        logger.info(
            "endpoint's device has vanished",
            metadata: [
                "endpoint": "\(record.number)", "pod": "\(record.podText)", "device": "\(record.hostInterface)",
            ])
        log(record, "detach") { try datapath?.removeEndpoint(record.number) }
        policy.removeEndpoint(record.number)
        applyPolicyOrNote()
        log(record, "remember") { try store.save(gone) }
        tellCluster()
    }

    /// The device goes first, so that there is never one without programs; last the reservation, so that its addresses
    /// are nobody else's while any of it is left.
    private func remove(_ record: EndpointRecord) throws {
        try host.deleteLink(named: record.hostInterface)
        // Somebody may have given it another name.
        if let index = record.ifindex { try host.deleteLink(index: index, having: record.gatewayMAC) }
        // A kernel that is filled anew meanwhile does without it.
        _ = endpointTable.markGone(record.key, at: clock.seconds)
        policy.removeEndpoint(record.number)
        applyPolicyOrNote()
        try datapath?.removeEndpoint(record.number)
        try store.remove(record.key)
        forget(record)
        tellCluster()
        bell.ring()
    }
}

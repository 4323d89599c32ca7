// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import Datapath
import FoundationEssentials
import IPAM
import Kernel
import Logging
package import Model
import NetTypes

extension Agent {
    /// Takes over where the last agent stopped, or begins. To be called once, before anything else; ADD is served when it
    /// has returned.
    ///
    /// - Parameter resources: the first batch of the source, all that there is.
    package func start(_ resources: [ResourceChange]) throws {
        if settings.setsSysctls { try host.enableForwarding() }
        for change in resources { policy.apply(change) }
        takePodRanges()
        mtu = try podMTU()
        try makeOverlay()
        try restoreEndpoints()
        policy.setNodeAddresses(try nodeAddresses())
        for record in endpointTable.all where record.state == .ready { policy.setEndpoint(record) }
        restoreIdentities()
        adopted = endpointTable.count(in: .ready) > 0
        do {
            datapath = nil
            try load()
        } catch  where datapath != nil {
            // The maps are filled and endpoints attached; what is left is retried.
            note(.policy, "\(error)")
        } catch let error as DatapathError where error.isMapFull {
            // What runs keeps what it has, and it can be asked why there is no more.
            fellBehind(error)
        }
        restorePodLinks()
        syncNodeRoutes()
        conditions.set(.starting, nil)
        tellCluster()
        bell.ring()
        Heap.trim()
        logger.notice(
            datapath == nil ? "agent started, and not ready" : "agent ready",
            metadata: [
                "endpoints": "\(endpointTable.count(in: .ready))", "policies": "\(policy.policyCount)",
                "mtu": "\(mtu)",
            ])
    }

    /// Brings the memory of endpoints and the devices of the host together: what has no device any more is forgotten,
    /// and a device of ours that nobody remembers is removed.
    private func restoreEndpoints() throws {
        let (records, unreadable) = try store.load()
        var strays = Dictionary(uniqueKeysWithValues: try host.links().filter(\.isPodLink).map { ($0.name, $0) })
        try giveUp(unreadable, devices: strays)
        let notes = Set(try tombstones.take())

        for record in records {
            let link = strays[record.hostInterface]
            let isDeleted =
                notes.contains(Tombstone(record.key))
                || notes.contains(Tombstone(record.key, attempt: record.attempt))
            if !isDeleted, let kept = survivor(record, link: link), restore(kept) {
                strays[record.hostInterface] = nil
                if kept != record { try store.save(kept) }
            } else {
                logger.notice(
                    "endpoint forgotten", metadata: ["endpoint": "\(record.number)", "pod": "\(record.podText)"])
                if let index = record.ifindex { try host.deleteLink(index: index, having: record.gatewayMAC) }
                try store.remove(record.key)
                // Nobody has swept its connections.
                freedAddresses.formUnion(record.addresses)
            }
        }
        for link in strays.values {
            logger.notice("device without an endpoint removed", metadata: ["device": "\(link.name)"])
            try host.deleteLink(named: link.name)
        }
    }

    /// Forgets files that can't be read and have no pod behind them. One that has keeps the agent from starting: without
    /// it the pod would lose its device, and after a step back to an older version all would.
    private func giveUp(_ unreadable: [UnreadableEndpoint], devices: [String: HostLink]) throws {
        let alive = unreadable.filter { file in file.key.map { devices[$0.hostInterfaceName] != nil } ?? false }
        guard alive.isEmpty else { throw EndpointsUnreadable(files: alive) }
        for file in unreadable {
            logger.error("endpoint file can't be read", metadata: ["error": "\(file)"])
            // What is no file of ours is left alone.
            if file.key != nil { try store.remove(file) }
        }
    }

    /// What is left of a record after a restart; nil when it has nothing behind it.
    ///
    /// An ADD that is not through is forgotten: killed or still at work, its plugin can't tell. One that is at work gets
    /// an error that asks for another try when it wants to attach, and takes its part back.
    private func survivor(_ record: EndpointRecord, link: HostLink?) -> EndpointRecord? {
        guard record.state == .ready, let link else { return nil }
        // Bringing the device up is the last step of ADD. Later it is somebody's wish that it is down.
        guard link.isUp || clock.seconds - record.since >= AgentSettings.expiry else { return nil }
        var record = record
        record.ifindex = link.index
        return record
    }

    private func restore(_ record: EndpointRecord) -> Bool {
        let addresses = PodAddresses(ipv4: record.ipv4, ipv6: record.ipv6)
        do {
            try pools.claim(addresses, for: record.key.description)
            if pools.hasRanges, !pools.contains(addresses) {
                // The ranges were changed while the pod lives: it keeps what it has.
                logger.notice(
                    "endpoint's address is in no pod range",
                    metadata: ["endpoint": "\(record.number)", "pod": "\(record.podText)"])
            }
        } catch {
            logger.error("endpoint can't be restored", metadata: ["pod": "\(record.podText)", "error": "\(error)"])
            return false
        }
        guard endpointTable.restore(record) else {
            pools.release(owner: record.key.description)
            logger.error("endpoint's number is taken", metadata: ["endpoint": "\(record.number)"])
            return false
        }
        return true
    }
}

extension Agent {
    /// How far the node's pools were when the last agent left them.
    static func savedPools(_ settings: AgentSettings) throws -> NodePools.Snapshot? {
        guard let bytes = try AtomicFile.readIfThere(settings.runDirectory.pools) else { return nil }
        return (try? JSONDecoder().decode(SavedPools.self, from: Data(bytes)))?.snapshot
    }

    /// Remembers how far the pools are, so that addresses are reused last after a restart, too. What is lost when this
    /// was not called lately is the order, never an address.
    package func savePools() {
        // Before there are ranges the file knows more.
        guard poolsChanged, pools.hasRanges else { return }
        do {
            let text = try JSONText.encode(SavedPools(pools.snapshot))
            try AtomicFile.write(Array(text), to: settings.runDirectory.pools)
            poolsChanged = false
        } catch {
            logger.error("the pools' state can't be saved", metadata: ["error": "\(error)"])
        }
    }
}

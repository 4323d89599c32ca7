// SPDX-License-Identifier: Apache-2.0
import Datapath
import IPAM
import Logging
import Model
import NetTypes

// Reaching the other nodes' pods.
extension Agent {
    /// What a pod's packet may weigh on its way to the other nodes, in bytes.
    func podMTU() throws -> UInt32 {
        if let fixed = settings.mtu { return fixed }
        let own = policy.peers.ownNode?.addresses ?? []
        let found = try own.lazy.compactMap { [host] in try host.mtu(ofLinkWith: $0) }.first ?? host.defaultMTU()
        let overhead = settings.routing?.overhead ?? 0
        // RFC 791: 68 bytes go everywhere.
        return max(found ?? 1_500, overhead + 68) - overhead
    }

    /// Follows the device that leads to the other nodes, which may be known only now, or have changed. New pods get what it
    /// takes; those that run keep what they have.
    func updateMTU() throws {
        let old = mtu, wanted = try podMTU()
        guard wanted != old else { return }
        mtu = wanted
        do { try makeOverlay() } catch {
            // The next try has to see a difference.
            mtu = old
            throw error
        }
        logger.notice("the pods' MTU is another one", metadata: ["mtu": "\(wanted)", "before": "\(old)"])
    }

    /// Makes the device for tunnels, or what is there fit; without tunnels there is none.
    func makeOverlay() throws {
        guard case .tunnel(let port, let isIPv6) = settings.routing else { return }
        let index = try host.makeOverlay(OverlayRequest(index: overlay?.ifindex, port: port, mtu: mtu))
        overlay = OverlayDevice(name: OverlayRequest.defaultName, ifindex: index, port: port, isIPv6: isIPv6)
    }

    /// Somebody has removed the device for tunnels: it comes back under the index that the programs know.
    func remakeOverlay() throws {
        logger.warning("the overlay device was removed: it is made again")
        try makeOverlay()
        try datapath?.attachOverlay()
        syncNodeRoutes()
    }

    /// Before the changeset whose peers name them.
    func writeNewNodes(to datapath: any DatapathControl) throws {
        if policy.tunnels.takeReused() { try datapath.judgeAgain() }
        for (number, address) in policy.tunnels.takeAdded() { try datapath.setNode(number, address) }
    }

    /// After the changeset that named them last, and the routes in step with the nodes.
    func settleNodes() {
        guard policy.nodesChanged else { return }
        policy.nodesChanged = false
        guard let datapath, conditions[.policy] == nil else { return }
        do {
            for (number, address) in policy.tunnels.takeRemoved() { try datapath.setNode(number, address) }
        } catch {
            logger.error("a node's number can't be cleared", metadata: ["error": "\(error)"])
        }
        if policy.numberWaitingNodes() { applyPolicyOrNote() }
        let left = policy.tunnels.waitingCount
        note(
            .nodeNumbers,
            left == 0
                ? nil
                : "map nodes is full (made for \(settings.nodeLimit)), nodes without a tunnel: \(left); "
                    + "raise map-nodes")
        syncNodeRoutes()
        applyMasquerade()
    }

    /// Makes the host's routes to other nodes' pods, and to addresses that no pod has, what they should be. What fails is
    /// tried again by maintenance.
    package func syncNodeRoutes() {
        do {
            let wanted = try wantedNodeRoutes().union(ownRangeRoutes())
            let actual = try host.nodeRoutes()
            for route in actual.subtracting(wanted) where !wanted.contains(where: { $0.replaces(route) }) {
                try host.removeNodeRoute(route)
            }
            var problems: [String] = []
            for route in wanted.subtracting(actual) {
                do { try host.addNodeRoute(route) } catch { problems.append("\(route.destination): \(error)") }
            }
            note(.nodeRoutes, problems.isEmpty ? nil : "no route to \(problems.sorted().joined(separator: "; "))")
        } catch {
            note(.nodeRoutes, "routes to other nodes' pods can't be made: \(error)")
        }
    }

    /// What is sent to an address of this node's ranges that no pod has would leave by the default route, and may come back.
    private func ownRangeRoutes() throws -> Set<NodeRoute> {
        // A range out of the network that a device is on has neighbours there.
        let free = try pools.usage.map(\.range).filter { try host.directLink(to: $0.address) == nil }
        return Set(free.map { NodeRoute(toNobody: $0) })
    }

    private func wantedNodeRoutes() throws -> Set<NodeRoute> {
        let own = policy.peers.ownNode ?? ClusterNode(name: policy.peers.ownName)
        let others = policy.peers.nodes.values.filter { $0.name != own.name }
        switch settings.routing {
        case nil: return []
        case .native: return try NodeRoute.direct(to: others) { [host] in try host.directLink(to: $0) }
        case .tunnel:
            guard let overlay else { return [] }
            return NodeRoute.byTunnel(to: others, from: own, overlay: overlay.ifindex, policy.tunnels)
        }
    }
}

extension NodeRoute {
    /// The kernel keeps one route by a device to a destination: adding this one takes the other's place. One to nobody
    /// stands beside it.
    fileprivate func replaces(_ other: NodeRoute) -> Bool {
        destination == other.destination && link != nil && other.link != nil
    }
}

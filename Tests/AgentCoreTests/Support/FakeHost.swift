// SPDX-License-Identifier: Apache-2.0
import AgentCore
import Datapath
import NetTypes
import Synchronization

/// A host's devices and addresses as values.
final class FakeHost: HostNetwork {
    struct State {
        var links: [String: HostLink] = [:]
        var addresses: Set<IPAddress> = []
        var deleted: [String] = []
        var nextIndex: UInt32 = 10
        var forwards = false
        var mtu: UInt32?
        var refusesDeletion = false
        /// So many calls that read addresses, make the overlay or add a route still fail.
        var addressRefusals = 0
        var overlayRefusals = 0
        var routeRefusals = 0
        var overlay: OverlayRequest?
        var routes: Set<NodeRoute> = []
        var routesByDevices: Set<NodeRoute> { routes.filter { $0.link != nil } }
        /// Devices behind which addresses are.
        var neighbours: [IPAddress: UInt32] = [:]
        var linkMTUs: [IPAddress: UInt32] = [:]
        var uplinks: [NodeNAT.Uplink] = []
        /// What pods' links were compared with, call by call.
        var podLinks: [Set<PodLink>] = []
        var podLinkRefusals = 0
        /// MAC addresses of devices that have one.
        var macs: [UInt32: MACAddress] = [:]
    }

    struct Refusal: Error {}

    private let state = Mutex(State())

    var snapshot: State { state.withLock { $0 } }

    func update(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// Makes a device and gives its index.
    @discardableResult
    func addLink(_ name: String) -> UInt32 {
        state.withLock { state in
            state.nextIndex += 1
            state.links[name] = HostLink(name: name, index: state.nextIndex)
            return state.nextIndex
        }
    }

    func removeLink(_ name: String) { state.withLock { _ = $0.links.removeValue(forKey: name) } }

    /// Refuses as long as there is something left of the count.
    private static func refuse(_ left: inout Int) throws {
        guard left > 0 else { return }
        left -= 1
        throw Refusal()
    }

    func links() throws -> [HostLink] { Array(snapshot.links.values) }
    func link(named name: String) throws -> HostLink? { snapshot.links[name] }
    func linkIndex(named name: String) -> UInt32? { snapshot.links[name]?.index }

    func deleteLink(named name: String) throws {
        try state.withLock { state in
            if state.refusesDeletion { throw Refusal() }
            if state.links.removeValue(forKey: name) != nil { state.deleted.append(name) }
        }
    }

    func deleteLink(index: UInt32, having mac: MACAddress) throws {
        update { state in
            guard state.macs[index] == mac, let name = state.links.first(where: { $1.index == index })?.key else {
                return
            }
            state.links[name] = nil
            state.deleted.append(name)
        }
    }

    func restorePodLinks(_ wanted: [PodLink]) throws -> PodLinkRepair {
        try state.withLock { state in
            try Self.refuse(&state.podLinkRefusals)
            state.podLinks.append(Set(wanted))
            return PodLinkRepair()
        }
    }

    func addresses() throws -> Set<IPAddress> {
        try state.withLock { state in
            try Self.refuse(&state.addressRefusals)
            return state.addresses
        }
    }
    func defaultMTU() throws -> UInt32? { snapshot.mtu }
    func uplinks(named names: [String], leadingTo nodes: [IPAddress]) throws -> [NodeNAT.Uplink] {
        snapshot.uplinks.filter { names.isEmpty || names.contains($0.name) }
    }
    func enableForwarding() throws { update { $0.forwards = true } }

    func makeOverlay(_ wanted: OverlayRequest) throws -> UInt32 {
        try state.withLock { state in
            try Self.refuse(&state.overlayRefusals)
            state.overlay = wanted
            if let link = state.links[wanted.name] { return link.index }
            state.nextIndex += 1
            let index = wanted.index ?? state.nextIndex
            state.links[wanted.name] = HostLink(name: wanted.name, index: index)
            return index
        }
    }

    func nodeRoutes() throws -> Set<NodeRoute> { snapshot.routes }
    func addNodeRoute(_ route: NodeRoute) throws {
        try state.withLock { state in
            try Self.refuse(&state.routeRefusals)
            // One to nobody has a metric of its own.
            state.routes = state.routes.filter {
                $0.destination != route.destination || ($0.link == nil) != (route.link == nil)
            }
            state.routes.insert(route)
        }
    }
    func removeNodeRoute(_ route: NodeRoute) throws { update { $0.routes.remove(route) } }
    func directLink(to address: IPAddress) throws -> UInt32? { snapshot.neighbours[address] }
    func mtu(ofLinkWith address: IPAddress) throws -> UInt32? { snapshot.linkMTUs[address] }

    func changes() throws -> AsyncStream<HostChange> { AsyncStream { _ in } }
}

// SPDX-License-Identifier: Apache-2.0
package import Datapath
package import NetTypes

/// A network device in the agent's own namespace.
package struct HostLink: Hashable, Sendable {
    package let name: String
    package let index: UInt32
    /// By its administrator, whatever its carrier.
    package let isUp: Bool

    package init(name: String, index: UInt32, isUp: Bool = true) {
        self.name = name
        self.index = index
        self.isUp = isUp
    }

    /// Host sides of pods' veths are told by their names.
    package static let podPrefix = "skn"
    package var isPodLink: Bool { name.hasPrefix(Self.podPrefix) }
}

/// The host's side of a pod's link, as it has to be.
package struct PodLink: Hashable, Sendable {
    package let name: String
    package let index: UInt32
    /// The device's own, which the pod knows as its gateway's.
    package let mac: MACAddress
    package let podMAC: MACAddress
    package let addresses: [IPAddress]

    package init(name: String, index: UInt32, mac: MACAddress, podMAC: MACAddress, addresses: [IPAddress]) {
        self.name = name
        self.index = index
        self.mac = mac
        self.podMAC = podMAC
        self.addresses = addresses
    }
}

/// What became of a comparison of pods' links with what they should be.
package struct PodLinkRepair: Hashable, Sendable {
    package var repaired: [String] = []
    package var problems: [String] = []

    package init() {}
}

/// The VXLAN device to other nodes' pods, as it has to be.
package struct OverlayRequest: Hashable, Sendable {
    package static let defaultName = "skein_vxlan"

    package var name = defaultName
    /// That it must have, because programs were loaded for it; nil: any.
    package var index: UInt32?
    /// UDP port of the tunnels.
    package var port: UInt16
    /// Bytes of a packet within them.
    package var mtu: UInt32

    package init(index: UInt32? = nil, port: UInt16, mtu: UInt32) {
        self.index = index
        self.port = port
        self.mtu = mtu
    }
}

/// What the agent asks of the host's network, so that its behaviour is tested without one.
package protocol HostNetwork: Sendable {
    func links() throws -> [HostLink]
    /// nil when there is none of this name.
    func link(named name: String) throws -> HostLink?
    /// `link(named:)` for whoever needs the index alone, which is had for much less.
    func linkIndex(named name: String) -> UInt32?
    /// One that is not there is no error.
    func deleteLink(named name: String) throws
    /// The device of this index, whatever it is called by now, if it still has this MAC address.
    func deleteLink(index: UInt32, having mac: MACAddress) throws
    /// Puts back what is missing of the host's side of pods' links that are up: their MAC addresses, the routes to the
    /// pods and the permanent neighbour entries.
    ///
    /// - Returns: what was missing, in words; what could not be put back is in `problems`.
    func restorePodLinks(_ wanted: [PodLink]) throws -> PodLinkRepair
    /// Addresses of the node's devices, pods' links, the overlay and loopback left out.
    func addresses() throws -> Set<IPAddress>
    /// Of the device that the default route leaves by; nil without one.
    func defaultMTU() throws -> UInt32?
    /// Devices to the outside with the addresses that packets leave with; no names: those that default routes leave by, and
    /// those on whose link one of `nodes` is. One that is not there is left out.
    func uplinks(named names: [String], leadingTo nodes: [IPAddress]) throws -> [NodeNAT.Uplink]
    /// Lets the node forward packets, both families. Idempotent.
    func enableForwarding() throws

    /// Makes the overlay device as it has to be, or makes it so; up. Idempotent. Its index.
    func makeOverlay(_ wanted: OverlayRequest) throws -> UInt32
    /// The routes to other nodes' pods, and to nobody, that Skein has made.
    func nodeRoutes() throws -> Set<NodeRoute>
    /// One by a device comes in the place of whatever route there was to the destination, one to nobody behind all of them.
    func addNodeRoute(_ route: NodeRoute) throws
    /// One that is not there is no error.
    func removeNodeRoute(_ route: NodeRoute) throws
    /// Index of the device behind which an address is, without a router between; nil: it is behind one, or nowhere.
    func directLink(to address: IPAddress) throws -> UInt32?
    /// Of the device that has an address of this node; nil: none has it.
    func mtu(ofLinkWith address: IPAddress) throws -> UInt32?

    /// Changes as they happen. Ends when the task is cancelled.
    func changes() throws -> AsyncStream<HostChange>
}

/// What happened to the host's network. Routes that come to pods' links or the overlay are not reported.
package enum HostChange: Hashable, Sendable {
    /// An address came or went.
    case addresses
    /// A route or a neighbour changed: where flows leave for may be another place now.
    case routes
    /// A pod's link was down and is up again, or has lost a route.
    case podLink(index: UInt32)
    /// The overlay device is another than it was, or has lost a route.
    case overlay
    /// A device is gone; `isPod`: the host's side of a pod's link.
    case linkRemoved(index: UInt32, isPod: Bool = false)
    /// Changes were missed: everything is to be looked at again.
    case lost

    /// Whether only pods can have to do with it: there are many such changes while pods come and go.
    var isOfPods: Bool {
        switch self {
        case .podLink, .linkRemoved(_, isPod: true): true
        default: false
        }
    }
}

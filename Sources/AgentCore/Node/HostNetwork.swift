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

/// What the agent asks of the host's network, so that its behaviour is tested without one.
package protocol HostNetwork: Sendable {
    func links() throws -> [HostLink]
    /// nil when there is none of this name.
    func link(named name: String) throws -> HostLink?
    /// One that is not there is no error.
    func deleteLink(named name: String) throws
    /// Addresses of the node's devices, pods' links and loopback left out.
    func addresses() throws -> Set<IPAddress>
    /// Of the device that the default route leaves by; nil without one.
    func defaultMTU() throws -> UInt32?
    /// Devices to the outside with the addresses that packets leave with; no names: those that default routes leave by. One
    /// that is not there is left out.
    func uplinks(named names: [String]) throws -> [NodeNAT.Uplink]
    /// Lets the node forward packets, both families. Idempotent.
    func enableForwarding() throws
    /// Changes as they happen. Ends when the task is cancelled.
    func changes() throws -> AsyncStream<HostChange>
}

/// What happened to the host's network. Pods' own routes and neighbours are not reported.
package enum HostChange: Hashable, Sendable {
    /// An address came or went.
    case addresses
    /// A route or a neighbour changed: where flows leave for may be another place now.
    case routes
    /// A device is gone.
    case linkRemoved(index: UInt32)
    /// Changes were missed: everything is to be looked at again.
    case lost
}

// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// What the plugin does to the kernel, in the steps between which it may be killed or fail.
///
/// The order of ADD: ``openNamespace(_:)``, ``createVeth(_:peer:)``, ``configurePod(_:)`` while the agent attaches its
/// programs, ``bringUpHost(_:)``. Until the last step the host side is down, so that no packet passes before its policy is in the
/// kernel; and a host side that is down is known as the leftover of an ADD that did not come to its end.
package protocol PodWiring: AnyObject {
    /// Opens the pod's namespace for the steps that follow. It must not be the plugin's own.
    func openNamespace(_ path: String) throws(WiringError)

    /// Whether a device of the host is there, and whether it is up; nil: there is none.
    func hostLinkIsUp(_ name: String) throws(WiringError) -> Bool?

    /// Makes the pair: host side down, peer in the pod's namespace, under these names. Returns the index of the host side.
    /// ``WiringError/Kind/interfaceExists`` when one of both names is taken.
    func createVeth(_ hostInterface: String, peer interface: String) throws(WiringError) -> UInt32

    /// MAC address, MTU, addresses, gateways' neighbour entries, default routes and settings of the pod's side; brings it up.
    /// Also those settings of the host side that can be made while it is down.
    func configurePod(_ plan: WiringPlan) throws(WiringError)

    /// MAC address and MTU of the host side, up, then routes and neighbour entries for the pod's addresses. Returns when
    /// the pod can send.
    func bringUpHost(_ plan: WiringPlan) throws(WiringError)

    /// Removes a device of the host, and with it its peer. One that is not there is no error.
    func deleteVeth(_ hostInterface: String) throws(WiringError)

    /// Removes the pair that ``createVeth(_:peer:)`` made, and no other that has its name meanwhile. None is no error.
    func deleteOwnVeth() throws(WiringError)

    /// What is there of a plan, for CHECK.
    func inspect(_ plan: WiringPlan) throws(WiringError) -> WiringSnapshot
}

/// A step that failed.
package struct WiringError: Error, Hashable, Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        /// Nothing is at the namespace's path.
        case noNamespace
        /// What is at the path is no namespace of a pod.
        case notANamespace
        /// A name is taken.
        case interfaceExists
        case failed
    }

    package let kind: Kind
    package let description: String

    package init(_ kind: Kind, _ description: String) {
        self.kind = kind
        self.description = description
    }
}

/// What the kernel has of a pod's network.
package struct WiringSnapshot: Hashable, Sendable {
    /// A device, with what hangs on it.
    package struct Side: Hashable, Sendable {
        package var mac: MACAddress?
        package var isUp: Bool
        /// Permanent entries.
        package var neighbours: [IPAddress: MACAddress]
        /// Destinations of routes out of this device, and their gateways; nil: on-link.
        package var routes: [Prefix: IPAddress?]
        /// Addresses with their prefix lengths. Of the pod's side only.
        package var addresses: Set<Prefix>

        package init(
            mac: MACAddress?, isUp: Bool, neighbours: [IPAddress: MACAddress], routes: [Prefix: IPAddress?],
            addresses: Set<Prefix> = []
        ) {
            self.mac = mac
            self.isUp = isUp
            self.neighbours = neighbours
            self.routes = routes
            self.addresses = addresses
        }
    }

    /// nil: there is no such device.
    package var host: Side?
    package var pod: Side?

    package init(host: Side?, pod: Side?) {
        self.host = host
        self.pod = pod
    }
}

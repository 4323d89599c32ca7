// SPDX-License-Identifier: Apache-2.0
package import Datapath
package import NetTypes

/// All that the agent is told at its start.
package struct AgentSettings: Sendable {
    package var version: String
    /// Folder of manifests, for the status.
    package var manifests: String
    package var podRanges: [Prefix]
    /// nil: that of the default route's device, else 1500.
    package var mtu: UInt32?
    package var runDirectory: RunDirectory
    package var socket: String
    /// Addresses of this node beside those of its devices.
    package var nodeAddresses: [IPAddress]
    package var flowTimeouts: FlowTimeouts
    /// The highest endpoint number; the `endpoints` map has one element more.
    package var endpointLimit: UInt16
    package var denyListFolder: String?
    package var denyListDevice: String?
    package var setsSysctls: Bool
    /// nil: pods' packets leave with their own addresses.
    package var masquerade: MasqueradeSettings?

    package init(
        version: String, manifests: String, podRanges: [Prefix], mtu: UInt32? = nil, runDirectory: RunDirectory,
        socket: String? = nil, nodeAddresses: [IPAddress] = [], flowTimeouts: FlowTimeouts = FlowTimeouts(),
        endpointLimit: UInt16 = 4_095, denyListFolder: String? = nil, denyListDevice: String? = nil,
        setsSysctls: Bool = true
    ) {
        self.version = version
        self.manifests = manifests
        self.podRanges = podRanges
        self.mtu = mtu
        self.runDirectory = runDirectory
        self.socket = socket ?? runDirectory.socket
        self.nodeAddresses = nodeAddresses
        self.flowTimeouts = flowTimeouts
        self.endpointLimit = endpointLimit
        self.denyListFolder = denyListFolder
        self.denyListDevice = denyListDevice
        self.setsSysctls = setsSysctls
    }

    /// Endpoints that are pending or gone are forgotten after this many seconds.
    package static let expiry: Int64 = 300
}

/// The addresses by which pods know their node: link-local, the same on every node.
package enum Gateway {
    /// 169.254.1.1.
    package static let ipv4 = IPAddress(v4: 0xa9fe_0101)
    /// fe80::1.
    package static let ipv6 = IPAddress(high: 0xfe80_0000_0000_0000, low: 1)
}

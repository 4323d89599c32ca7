// SPDX-License-Identifier: Apache-2.0
package import Datapath
package import NetTypes

/// All that the agent is told at its start.
package struct AgentSettings: Sendable {
    package var version: String
    /// Folder of manifests, for the status; nil: a cluster is the source.
    package var manifests: String?
    /// nil: a folder is the source.
    package var cluster: ClusterMembership?
    /// Not for a cluster, which says them itself.
    package var podRanges: [Prefix]
    /// nil: that of the device that leads to the other nodes, less what a tunnel takes; without such a device 1500.
    package var mtu: UInt32?
    /// How pods of other nodes are reached; nil: not at all.
    package var routing: Routing?
    /// The first node number that the datapath has no room for.
    package var nodeLimit = 8_192
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
    /// Folder for the runtime's configuration, written when ADD is served; nil: somebody else writes it.
    package var cniFolder: String?
    /// Local TCP port that answers whether the agent lives and is ready; nil: none.
    package var healthPort: UInt16?
    /// nil: nothing of ours is on the node's devices to the outside.
    package var masquerade: MasqueradeSettings?

    package init(
        version: String, manifests: String? = nil, cluster: ClusterMembership? = nil, podRanges: [Prefix] = [],
        mtu: UInt32? = nil, runDirectory: RunDirectory, socket: String? = nil, nodeAddresses: [IPAddress] = [],
        flowTimeouts: FlowTimeouts = FlowTimeouts(), endpointLimit: UInt16 = 4_095, denyListFolder: String? = nil,
        denyListDevice: String? = nil, setsSysctls: Bool = true, cniFolder: String? = nil, healthPort: UInt16? = nil
    ) {
        self.version = version
        self.manifests = manifests
        self.cluster = cluster
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
        self.cniFolder = cniFolder
        self.healthPort = healthPort
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

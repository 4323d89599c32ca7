// SPDX-License-Identifier: Apache-2.0

package import Model

/// What somebody is, other than by labels. One may be several things: a node that runs the API server is two.
package struct EntitySet: OptionSet, Hashable, Sendable {
    package let rawValue: UInt16

    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// Whoever has an identity made of labels.
    package static let pods = EntitySet(rawValue: 1 << 0)
    /// This node.
    package static let host = EntitySet(rawValue: 1 << 1)
    package static let remoteNode = EntitySet(rawValue: 1 << 2)
    package static let kubeAPIServer = EntitySet(rawValue: 1 << 3)
    package static let health = EntitySet(rawValue: 1 << 4)
    /// Pods whose labels aren't known yet.
    package static let `init` = EntitySet(rawValue: 1 << 5)
    package static let ingress = EntitySet(rawValue: 1 << 6)
    package static let unmanaged = EntitySet(rawValue: 1 << 7)
    /// Outside the cluster.
    package static let world = EntitySet(rawValue: 1 << 8)

    /// All pods and nodes.
    package static let cluster: EntitySet = [
        .pods, .host, .remoteNode, .kubeAPIServer, .health, .`init`, .ingress, .unmanaged,
    ]

    /// What a reserved identity is by its number.
    package init(_ identity: ReservedIdentity) {
        switch identity {
        case .unknown: self = []
        case .host: self = .host
        case .world, .worldIPv4, .worldIPv6: self = .world
        case .unmanaged: self = .unmanaged
        case .health: self = .health
        case .`init`: self = .`init`
        case .remoteNode: self = .remoteNode
        case .kubeAPIServer: self = [.kubeAPIServer, .remoteNode]
        case .ingress: self = .ingress
        }
    }

    private static let names: [(EntitySet, String)] = [
        (.pods, "pods"), (.host, "host"), (.remoteNode, "remote-node"), (.kubeAPIServer, "kube-apiserver"),
        (.health, "health"), (.`init`, "init"), (.ingress, "ingress"), (.unmanaged, "unmanaged"), (.world, "world"),
    ]

    /// As policies name them; "cluster" for all of it.
    package var list: [String] {
        if isSuperset(of: .cluster) { return ["cluster"] + (contains(.world) ? ["world"] : []) }
        return Self.names.filter { contains($0.0) }.map(\.1)
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What stands for a set of security labels in the kernel, on the wire and in events. 256 and up are pods';
/// below are reserved ones.
package typealias IdentityNumber = UInt32

/// Identities that aren't made of labels. The numbers are those of the Hubble API, and of `bpf/abi/types.h`.
package enum ReservedIdentity: IdentityNumber, CaseIterable, Sendable {
    case unknown = 0
    /// This node: its own processes and the pods in its network.
    case host = 1
    case world = 2
    case unmanaged = 3
    case health = 4
    /// A pod whose labels aren't known yet.
    case `init` = 5
    case remoteNode = 6
    case kubeAPIServer = 7
    case ingress = 8
    case worldIPv4 = 9
    case worldIPv6 = 10

    /// As `skein` prints and reads it.
    package var name: String {
        switch self {
        case .unknown: "unknown"
        case .host: "host"
        case .world: "world"
        case .unmanaged: "unmanaged"
        case .health: "health"
        case .`init`: "init"
        case .remoteNode: "remote-node"
        case .kubeAPIServer: "kube-apiserver"
        case .ingress: "ingress"
        case .worldIPv4: "world-ipv4"
        case .worldIPv6: "world-ipv6"
        }
    }
}

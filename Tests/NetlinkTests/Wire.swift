// SPDX-License-Identifier: Apache-2.0
import Kernel
import NetTypes
import Netlink
import Testing

/// Two namespaces with nothing in them; both are gone with this value.
struct Wire: ~Copyable {
    let hostNamespace: NetworkNamespace
    let podNamespace: NetworkNamespace
    var host: NetlinkSocket
    var pod: NetlinkSocket

    init() throws {
        let hostNamespace = try NetworkNamespace.anonymous()
        let podNamespace = try NetworkNamespace.anonymous()
        let host = try NetlinkSocket(in: hostNamespace)
        let pod = try NetlinkSocket(in: podNamespace)
        self.hostNamespace = hostNamespace
        self.podNamespace = podNamespace
        self.host = host
        self.pod = pod
    }

    /// A veth from the one into the other, both ends up; indexes of the host's end and the pod's.
    mutating func connect() throws -> (host: Int32, pod: Int32) {
        let link = try host.createVeth(
            VethEnd(name: "skn0"), peer: VethEnd(name: "eth0", namespace: podNamespace.fd.raw))
        let peer = try #require(link.peerIndex)
        try host.perform(.setLink(.index(link.index), LinkChange(isUp: true)))
        try pod.perform(.setLink(.index(peer), LinkChange(isUp: true)))
        return (link.index, peer)
    }
}

func ip(_ text: String) throws -> IPAddress { try #require(IPAddress(text)) }

func prefix(_ text: String) throws -> Prefix { try #require(Prefix(text)) }

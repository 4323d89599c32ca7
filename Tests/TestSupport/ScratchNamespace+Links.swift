// SPDX-License-Identifier: Apache-2.0
package import Kernel
import Netlink

/// Device number of `lo`, in every network namespace.
package let loopbackIndex: UInt32 = 1

/// Two joined devices, both up, without addresses.
package struct VethPair: Hashable, Sendable {
    package let first: UInt32
    package let second: UInt32

    /// Makes the pair in the calling thread's namespace.
    package init(_ firstName: String = "first", _ secondName: String = "second") throws(SystemError) {
        var socket = try NetlinkSocket()
        let up = LinkChange(isUp: true, generatesIPv6Address: false)
        let link = try socket.createVeth(
            VethEnd(name: firstName), peer: VethEnd(name: secondName),
            others: [.setLink(.name(firstName), up), .setLink(.name(secondName), up)])
        first = UInt32(link.index)
        second = UInt32(link.peerIndex ?? 0)
    }
}

/// Brings up `lo` of the calling thread's namespace, which gives it 127.0.0.1 and ::1.
package func bringLoopbackUp() throws(SystemError) {
    var socket = try NetlinkSocket()
    try socket.perform(.setLink(.index(Int32(loopbackIndex)), LinkChange(isUp: true)))
}

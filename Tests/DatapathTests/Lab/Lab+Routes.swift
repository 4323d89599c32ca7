// SPDX-License-Identifier: Apache-2.0
import Kernel
import NetTypes
import Netlink
import TestSupport

@testable import Datapath

extension Lab {
    /// Routes to the outside through the uplink, with a neighbour behind it.
    func addRoutes(mtu: UInt32? = nil) throws {
        var socket = try NetlinkSocket()
        let link = Int32(uplink)
        // A route's own MTU doesn't count in forwarding (ip-sysctl, ip_forward_use_pmtu): the device's does.
        if let mtu { try socket.perform(.setLink(.index(link), LinkChange(mtu: mtu))) }
        for family in Family.allCases {
            let own = TestSupport.address(family == .ipv4 ? "198.18.0.1" : "fd00:ffff::1")
            let gateway = TestSupport.address(family == .ipv4 ? "198.18.0.2" : "fd00:ffff::2")
            try socket.perform([
                .replaceAddress(LinkAddress(link: link, address: own, prefixLength: family == .ipv4 ? 24 : 64)),
                .replaceNeighbour(Neighbour(link: link, address: gateway, mac: mac("02:00:00:00:99:99"))),
                .replaceRoute(Route(family == .ipv4 ? .allIPv4 : .allIPv6, link: link, gateway: gateway)),
            ])
        }
        try Sysctl.write("net/ipv4/ip_forward", "1")
        try Sysctl.write("net/ipv6/conf/all/forwarding", "1")
    }
}

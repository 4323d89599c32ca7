// SPDX-License-Identifier: Apache-2.0
import AgentCore
import Glibc
import Kernel
import NetTypes
import Netlink
import TestSupport
import Testing

/// By which addresses packets are the node's own: an address that is missing is somebody outside to every policy.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct HostAddressTests {
    private let linkLocal = TestSupport.prefix("fe80::/64")

    private func expectAll(
        _ given: [(address: String, length: Int)], _ wanted: Set<IPAddress>,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        try ScratchNamespace.run {
            try KernelHostNetwork().enableForwarding()
            try bringLoopbackUp()
            let link = Int32(bitPattern: try VethPair("uplink", "outside").first)
            let pod = Int32(bitPattern: try VethPair(HostLink.podPrefix + "57169c51c07", "inside").first)
            var socket = try NetlinkSocket()
            try socket.perform(
                given.map { (text, length) in
                    let address = TestSupport.address(text)
                    return .addAddress(
                        LinkAddress(
                            link: link, address: address, prefixLength: length,
                            flags: address.isIPv4 ? 0 : LinkAddress.noDAD))
                })
            // What a pod's link has is the pod's gateway, which is named elsewhere.
            try socket.perform(
                .addAddress(LinkAddress(link: pod, address: TestSupport.address("10.77.0.1"), prefixLength: 24)))

            let found = try KernelHostNetwork().addresses()
            // The devices have link-local ones of the kernel's choice, too.
            #expect(found.filter { !linkLocal.contains($0) } == wanted, sourceLocation: sourceLocation)
            // The kernel's own opinion of what it takes in.
            let taken = try socket.routes(link: link, table: Route.localTable).filter {
                [.local, .broadcast, .anycast].contains($0.kind)
            }
            for route in taken {
                #expect(found.contains(route.destination.address), "\(route)", sourceLocation: sourceLocation)
            }
        }
    }

    @Test func `of an IPv4 network, both broadcasts are the node's`() throws {
        try expectAll(
            [("192.0.2.77", 24), ("198.51.100.9", 30)],
            Set(
                ["192.0.2.77", "192.0.2.0", "192.0.2.255", "198.51.100.9", "198.51.100.8", "198.51.100.11"]
                    .map { TestSupport.address($0) }))
    }

    @Test func `of an IPv6 network, the address of all its routers is the node's`() throws {
        try expectAll(
            [("2001:db8:5::77", 64), ("2001:db8:6::5", 126)],
            Set(["2001:db8:5::77", "2001:db8:5::", "2001:db8:6::5", "2001:db8:6::4"].map { TestSupport.address($0) }))
    }

    @Test func `a link of two, and a single address, have no more than that`() throws {
        try expectAll(
            [("192.0.2.1", 31), ("198.51.100.9", 32), ("2001:db8:5::1", 127), ("2001:db8:6::5", 128)],
            Set(["192.0.2.1", "198.51.100.9", "2001:db8:5::1", "2001:db8:6::5"].map { TestSupport.address($0) }))
    }
}

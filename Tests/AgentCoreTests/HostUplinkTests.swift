// SPDX-License-Identifier: Apache-2.0
import AgentCore
import Datapath
import Glibc
import Kernel
import NetTypes
import Netlink
import TestSupport
import Testing

/// By which devices packets leave for the outside, and how large they may be.
@Suite(.enabled(if: geteuid() == 0, "needs root")) struct HostUplinkTests {
    /// Runs `ip`, which the calling thread's namespace is changed by.
    private func ip(_ arguments: String) throws {
        let child = try ChildProcess("/usr/sbin/ip", arguments.split(separator: " ").map(String.init))
        let exit = child.wait(timeout: .seconds(30))
        try #require(exit == .code(0), "ip \(arguments): \(child.errors)")
    }

    /// Two devices to the outside, with an address of either family each, and one more.
    private func withTwoUplinks(_ body: () throws -> Void) throws {
        try ScratchNamespace.run {
            try bringLoopbackUp()
            for (name, number) in [("left", 1), ("right", 2), ("aside", 3)] {
                _ = try VethPair(name, "\(name)-far")
                try ip("addr add 192.0.2.\(number * 16 + 1)/28 dev \(name)")
                try ip("addr add 2001:db8:\(number)::1/64 dev \(name) nodad")
            }
            try ip("link set left mtu 1400")
            try body()
        }
    }

    private func uplinks() throws -> [String: [String]] {
        try Dictionary(
            uniqueKeysWithValues: KernelHostNetwork().uplinks(named: [], leadingTo: []).map {
                ($0.name, [$0.ipv4, $0.ipv6].compactMap(\.?.description))
            })
    }

    @Test func `each next hop of a default route is a device to the outside`() throws {
        let wanted = ["left": ["192.0.2.17", "2001:db8:1::1"], "right": ["192.0.2.33", "2001:db8:2::1"]]
        try withTwoUplinks {
            #expect(try uplinks().isEmpty)
            try ip("route add default nexthop via 192.0.2.18 dev left weight 3 nexthop via 192.0.2.34 dev right")
            #expect(try uplinks() == wanted)
            #expect(try KernelHostNetwork().defaultMTU() == 1_400)
            try ip("route del default")
            try ip("-6 route add default nexthop via 2001:db8:1::2 dev left nexthop via 2001:db8:2::2 dev right")
            #expect(try uplinks() == wanted)
            #expect(try KernelHostNetwork().defaultMTU() == 1_400)
        }
    }

    @Test func `so is each next hop that is an object of its own`() throws {
        try withTwoUplinks {
            try ip("nexthop add id 1 via 192.0.2.18 dev left")
            try ip("nexthop add id 2 via 192.0.2.34 dev right")
            try ip("nexthop add id 9 group 1/2")
            try ip("route add default nhid 9")
            #expect(try Set(uplinks().keys) == ["left", "right"])
        }
    }

    @Test func `a default route by one device leads there, and its MTU counts`() throws {
        try withTwoUplinks {
            try ip("route add default via 192.0.2.34 dev right src 192.0.2.33")
            try ip("-6 route add default via 2001:db8:1::2 dev left")
            #expect(try Set(uplinks().keys) == ["left", "right"])
            #expect(try KernelHostNetwork().defaultMTU() == 1_500)
        }
    }
}

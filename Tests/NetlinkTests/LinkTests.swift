// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import NetTypes
import Netlink
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct LinkTests {
    @Test func `a veth pair lies in two namespaces from the start`() throws {
        var wire = try Wire()
        let (hostMAC, podMAC) = (MACAddress.gateway(endpoint: 1), MACAddress(value: 0x0211_2233_4455))
        let link = try wire.host.createVeth(
            VethEnd(name: "skn0", mac: hostMAC, mtu: 1450),
            peer: VethEnd(name: "eth0", mac: podMAC, mtu: 1400, namespace: wire.podNamespace.fd.raw))
        #expect(link.name == "skn0")
        #expect(link.kind == "veth")
        #expect(link.mac == hostMAC)
        #expect(link.mtu == 1450)
        #expect(!link.isUp)
        #expect(link.isPeerElsewhere)

        let found = try wire.pod.link(.name("eth0"))
        let peer = try #require(found)
        #expect(peer.index == link.peerIndex)
        #expect(peer.peerIndex == link.index)
        #expect(peer.mac == podMAC)
        #expect(peer.mtu == 1400)
        let (hostLinks, podLinks) = (try wire.host.links(), try wire.pod.links())
        #expect(Set(hostLinks.map(\.name)) == ["lo", "skn0"])
        #expect(Set(podLinks.map(\.name)) == ["lo", "eth0"])
        #expect(hostLinks.contains(link))
        let queues = try wire.podNamespace.run { try Directory.names(in: "/proc/sys/net/ipv4/conf") }
        #expect(queues.contains("eth0"))
    }

    @Test func `a VXLAN device takes its keys from packets and is made once for a port`() throws {
        var wire = try Wire()
        let device = VXLANDevice(name: "tunnel0", index: 4711, port: 8472, mtu: 1430)
        try wire.host.perform([.createVXLAN(device), .setLink(.name("tunnel0"), LinkChange(isUp: true))])
        let found = try wire.host.link(.name("tunnel0"))
        let link = try #require(found)
        #expect(link.index == 4711)
        #expect(link.kind == "vxlan")
        #expect(link.vxlan == Link.VXLAN(port: 8472, takesKeysFromPackets: true))
        #expect(link.mtu == 1430)
        #expect(link.isUp)
        #expect(link.flags & UInt32(IFF_NOARP) != 0, "it would ask who has an address where nobody answers")
        // A second one of this port must not take the first one's packets.
        var second = device
        (second.name, second.index) = ("tunnel1", 0)
        let code: Errno?
        do throws(SystemError) {
            try wire.host.perform([.createVXLAN(second), .setLink(.name("tunnel1"), LinkChange(isUp: true))])
            code = nil
        } catch { code = error.errno }
        #expect(code == .exists || code == Errno(rawValue: EADDRINUSE))
    }

    @Test func `a pair whose name is taken is refused and what has the name stays`() throws {
        var wire = try Wire()
        _ = try wire.connect()
        let namespace = wire.podNamespace.fd.raw
        for peer in ["eth1", "eth0"] {
            let name = peer == "eth0" ? "skn1" : "skn0"
            let code: Errno?
            do throws(SystemError) {
                _ = try wire.host.createVeth(
                    VethEnd(name: name), peer: VethEnd(name: peer, namespace: namespace),
                    others: [.setLink(.name(name), LinkChange(mtu: 1000))])
                code = nil
            } catch { code = error.errno }
            #expect(code == .exists)
        }
        let link = try wire.host.link(.name("skn0"))
        #expect(link?.mtu == 1500)
        let links = (try wire.host.links().count, try wire.pod.links().count)
        #expect(links == (2, 2))
    }

    @Test func `a pair is gone again when what follows fails`() throws {
        var wire = try Wire()
        let message: String
        do throws(SystemError) {
            _ = try wire.host.createVeth(
                VethEnd(name: "skn0"), peer: VethEnd(name: "eth0", namespace: wire.podNamespace.fd.raw),
                others: [.setLink(.name("skn0"), LinkChange(mtu: 1))])
            message = ""
        } catch { message = error.description }
        // The text after the number is the kernel's own.
        #expect(message == "change link skn0: Invalid argument (EINVAL): mtu less than device minimum")
        let links = (try wire.host.links().count, try wire.pod.links().count)
        #expect(links == (1, 1))
    }

    @Test func `a link is changed`() throws {
        var wire = try Wire()
        let (index, _) = try wire.connect()
        let mac = MACAddress.gateway(endpoint: 9)
        try wire.host.perform([
            .setLink(.index(index), LinkChange(isUp: false)),
            .setLink(.index(index), LinkChange(mtu: 1300, mac: mac, name: "renamed")),
        ])
        var link = try wire.host.link(.index(index))
        #expect(link?.name == "renamed")
        #expect(link?.mac == mac)
        #expect(link?.mtu == 1300)
        #expect(link?.isUp == false)
        try wire.host.perform([
            .createBridge(named: "br0"), .setLink(.name("br0"), LinkChange(isUp: true)),
            .setLink(.name("renamed"), LinkChange(isUp: true)),
        ])
        let bridge = try wire.host.link(.name("br0"))
        #expect(bridge?.kind == "bridge")
        try wire.host.perform(.setLink(.index(index), LinkChange(master: bridge?.index)))
        link = try wire.host.link(.index(index))
        #expect(link?.master == bridge?.index)
        #expect(link?.isUp == true)
        try wire.host.perform(.setLink(.index(index), LinkChange(namespace: wire.podNamespace.fd.raw)))
        let moved = (try wire.host.link(.name("renamed")), try wire.pod.link(.name("renamed")))
        #expect(moved.0 == nil)
        #expect(moved.1 != nil)
    }

    @Test(.timeLimit(.minutes(1))) func `a link that comes up has no IPv6 address unless it shall`() async throws {
        var wire = try Wire()
        let monitor = try NetlinkMonitor([.ipv6Addresses], in: wire.hostNamespace)
        var links: [Int32] = []
        for (name, generates) in [("skn0", false), ("skn1", true)] {
            let link = try wire.host.createVeth(
                VethEnd(name: name), peer: VethEnd(name: name, namespace: wire.podNamespace.fd.raw),
                others: [.setLink(.name(name), LinkChange(isUp: true, generatesIPv6Address: generates))])
            try wire.pod.perform(.setLink(.name(name), LinkChange(isUp: true)))
            #expect(link.isUp)
            links.append(link.index)
        }
        // The kernel does it a little later, in the order in which the links came up.
        for await case .address(let address) in monitor.notifications where address.link == links[1] { break }
        let addresses = try wire.host.addresses(of: links[0])
        #expect(addresses.isEmpty)
    }

    @Test func `a link is deleted with its peer, and once more without error`() throws {
        var wire = try Wire()
        let (index, _) = try wire.connect()
        let deleted = (try wire.host.deleteLink(.index(index)), try wire.host.deleteLink(.name("skn0")))
        #expect(deleted == (true, false))
        let peer = try wire.pod.link(.name("eth0"))
        #expect(peer == nil)
    }
}

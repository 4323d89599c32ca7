// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import NetTypes
import Netlink
import TestSupport
import Testing

extension NetnsTests {
    @Suite struct SpoofingTests {
        @Test func `a pod that lies about who it is is not heard, and each lie is counted`() throws {
            try TestNode.with { node in
                let liar = try node.addPod("liar")
                let victim = try node.addPod("victim")
                let server = try node.addPod("server")
                let echo = try EchoServer(in: server, tcp: [80], udp: [53])
                defer { echo.stop() }
                let link = try RawLink(liar)
                let other = try RawLink(victim)

                func udp(from source: IPAddress) -> Packet {
                    let destination = source.isIPv4 ? server.address4 : server.address6
                    return link.addressed(.udp(from: source, to: destination, sport: 4_000, dport: 53))
                }
                let honest = udp(from: liar.address4)
                let lies: [(String, Packet, DropReason)] = [
                    ("another pod's IPv4 address", udp(from: victim.address4), .invalidSourceAddress),
                    ("another pod's IPv6 address", udp(from: victim.address6), .invalidSourceAddress),
                    ("the node's address", udp(from: World.nodeAddress4), .invalidSourceAddress),
                    ("an outside host's address", udp(from: World.address6), .invalidSourceAddress),
                    ("nobody's address", udp(from: address("10.244.1.250")), .invalidSourceAddress),
                    ("another pod's gateway", honest.macs(from: link.mac, to: other.gatewayMAC), .noEndpoint),
                    ("nobody's gateway", honest.macs(from: link.mac, to: mac("0a:5c:00:00:0f:00")), .noEndpoint),
                    ("everybody", honest.macs(from: link.mac, to: mac("ff:ff:ff:ff:ff:ff")), .unusableDestination),
                    ("a VLAN tag", honest.vlan(7), .vlan),
                    ("two VLAN tags", honest.vlan(7).vlan(8), .vlan),
                    (
                        "ARP for its neighbour",
                        .arp(from: victim.address4, mac: link.mac, to: server.address4), .unsupportedProtocol
                    ),
                    (
                        "an IPv6 router's advertisement",
                        .routerAdvertisement(from: liar.address6, mac: link.mac), .neighbourDiscovery
                    ),
                    ("the rest of a datagram", honest.fragment(id: 9, offset: 1_480, more: false), .fragmentNotFound),
                    (
                        "TCP with SYN and FIN",
                        link.addressed(
                            .tcp(
                                from: liar.address4, to: server.address4, sport: 4_000, dport: 80, flags: [.syn, .fin])),
                        .invalidPacket
                    ),
                ]
                for (lie, packet, reason) in lies {
                    let before = try node.drops()[reason.rawValue] ?? 0
                    try link.send(packet)
                    try node.waitUntil("\(lie) is counted") {
                        try node.drops()[reason.rawValue] ?? 0 > before
                    }
                }
                // Nothing of all that was let through, and the truth still is.
                #expect(try node.client.dump(map: "flows").rows.isEmpty)
                try expect(on: node, [allowed(.tcp(80), liar, server), allowed(.udp(53), victim, server)])
            }
        }

        @Test func `a packet of another pod's connection is not taken from a liar`() throws {
            try TestNode.with { node in
                let liar = try node.addPod("liar")
                let victim = try node.addPod("victim")
                let server = try node.addPod("server")
                let echo = try EchoServer(in: server, tcp: [80])
                defer { echo.stop() }
                let connection = try EchoConnection(.tcp(80), from: victim, to: server.address4)
                #expect(try connection.ping())
                let link = try RawLink(liar)
                let before = try node.drops()[DropReason.invalidSourceAddress.rawValue] ?? 0
                // RST from either end, as if it knew the numbers.
                for (source, destination, sport, dport) in [
                    (victim.address4, server.address4, connection.localPort, 80),
                    (server.address4, victim.address4, 80, connection.localPort),
                ] {
                    let packet = Packet.tcp(
                        from: source, to: destination, sport: sport, dport: dport, flags: [.rst, .ack])
                    try link.send(link.addressed(packet))
                }
                try node.waitForDrops(.invalidSourceAddress, above: before + 1)
                #expect(try connection.ping())
            }
        }

        @Test func `fragments reach another pod in any order, but not without their first`() throws {
            try TestNode.with { node in
                let client = try node.addPod("client")
                let server = try node.addPod("server")
                let echo = try EchoServer(in: server, udp: [53])
                defer { echo.stop() }
                let link = try RawLink(client)
                for destination in server.addresses {
                    let source = destination.isIPv4 ? client.address4 : client.address6
                    let receiver = try client.run { try ProbeSocket(.udp, isIPv6: !destination.isIPv4) }
                    try receiver.bind(source, port: 4_000)
                    let datagram = link.addressed(
                        Packet.udp(from: source, to: destination, sport: 4_000, dport: 53).payload(count: 4_000))
                    let parts = datagram.fragments(id: 77, size: 1_400)
                    #expect(parts.count == 3)
                    // The first says whose they are; the others may overtake each other.
                    for part in [parts[0], parts[2], parts[1]] { try link.send(part) }
                    #expect(receiver.waitUntilReceived(count: 4_000), "\(destination)")

                    let before = try node.drops()[DropReason.fragmentNotFound.rawValue] ?? 0
                    for part in datagram.fragments(id: 78, size: 1_400).dropFirst() { try link.send(part) }
                    try node.waitForDrops(.fragmentNotFound, above: before + 1)
                }
            }
        }

        @Test(arguments: ["bpf", "stack"])
        func `pods get the MTU that was set, and learn of a narrower way`(hostRouting: String) throws {
            try TestNode.with(["--mtu", "1450", "--host-routing", hostRouting]) { node in
                let pod = try node.addPod("pod")
                let neighbour = try node.addPod("neighbour")
                let outside = try EchoServer(in: node.world.namespace, tcp: [80], udp: [53])
                let echo = try EchoServer(in: neighbour, tcp: [80], udp: [53])
                defer {
                    outside.stop()
                    echo.stop()
                }
                #expect(try pod.namespace.netlink { try $0.link(.name("eth0"))?.mtu } == 1_450)
                for namespace in [node.namespace, node.world.namespace] {
                    try namespace.netlink { socket in
                        #expect(try socket.link(.name(World.device))?.mtu == 1_500)
                        try socket.perform(.setLink(.name(World.device), LinkChange(mtu: 1_300)))
                    }
                }
                let bytes = (0..<8_000).map { UInt8(truncatingIfNeeded: $0) }
                for destination in [World.address4, World.address6] {
                    let connection = try EchoConnection(.udp(53), from: pod, to: destination)
                    // What is too big for the way is answered with how wide it is, and sent again smaller.
                    try node.waitUntil("\(destination) answers") {
                        (try? connection.exchange(bytes, within: .milliseconds(200))) == true
                    }
                    let stream = try EchoConnection(.tcp(80), from: pod, to: destination)
                    #expect(try stream.exchange([UInt8](repeating: 1, count: 1 << 20)), "\(destination)")
                }
                for destination in neighbour.addresses {
                    let stream = try EchoConnection(.tcp(80), from: pod, to: destination)
                    #expect(try stream.exchange([UInt8](repeating: 1, count: 1 << 20)), "\(destination)")
                }
            }
        }
    }
}

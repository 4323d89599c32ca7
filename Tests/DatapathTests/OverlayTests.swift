// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Packets to and from pods of other nodes, in tunnels.
@Suite(
    .serialized, .enabled(if: geteuid() == 0, "needs root"), .enabled(if: TunnelWrapper.isSupported, "needs Linux 6.0"))
struct OverlayTests {
    // MARK: The way

    @Test(arguments: TunnelPath.all)
    func `a packet to another node's pod goes into the tunnel, and its flow says which`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            for (peer, node) in [(Peers.remote, 1), (Peers.stranger, 2)] as [(TestPeer, UInt32)] {
                let talk = Talk(client: lab.a.address(path.family), server: peer.address(path.family))
                for packet in [talk.opening, talk.fromClient(.push, payload: [1, 2, 3])] {
                    let out = try lab.send(packet, by: lab.a)
                    #expect(out.action == .redirect)
                    // One hop less, and nothing else is touched.
                    #expect(Bool(out.bytes == packet.hopLimit(63).sent(by: lab.a).bytes))
                }
                let flow = try #require(try lab.flow(of: talk.opening))
                #expect(flow.tunnel(to: talk.server)?.node == node)
                #expect(flow.tunnel(to: talk.server)?.identity == peer.identity)
                #expect(flow.end(of: talk.client).endpoint == lab.a.number)
                #expect(flow.initiator == talk.client)
            }
        }
    }

    @Test(arguments: TunnelPath.all)
    func `what comes out of a tunnel is rewritten for the pod as a router does`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = Talk(client: Peers.remote.address(path.family), server: lab.b.address(path.family))
            for packet in [talk.opening, talk.fromClient(.push, payload: [1, 2, 3])] {
                let out = try lab.receive(packet, identity: Peers.remote.identity)
                #expect(out.action == .redirect)
                #expect(Bool(out.bytes == packet.hopLimit(63).macs(from: lab.b.gateway, to: lab.b.mac).bytes))
            }
            let flow = try lab.onlyFlow()
            #expect(flow.tunnel(to: talk.client)?.node == 1)
            #expect(flow.initiator == talk.client)
            #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect)
            #expect(try lab.onlyFlow().has(DP_FLOW_REPLIED))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `answers come out of the tunnel to who asked`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [:])])
            let family = path.family
            let talk = try lab.establishAcross(lab.a, to: Peers.remote, family)
            #expect(try lab.onlyFlow().has(DP_FLOW_ACKED))
            #expect(try lab.receive(talk.fromServer(.push), identity: Peers.remote.identity).action == .redirect)

            let ask = Packet.udp(from: talk.client, to: talk.server, sport: 5_000, dport: 53)
            #expect(try lab.send(ask, by: lab.a).action == .redirect)
            #expect(try lab.receive(ask.reply, identity: Peers.remote.identity).action == .redirect)
            let ping = Packet.echoRequest(from: talk.client, to: talk.server, id: 9)
            #expect(try lab.send(ping, by: lab.a).action == .redirect)
            #expect(try lab.receive(ping.reply, identity: Peers.remote.identity).action == .redirect)
            // What nobody asked for.
            let alien = Packet.udp(from: talk.server, to: talk.client, sport: 53, dport: 5_001)
            #expect(
                try lab.receive(alien, identity: Peers.remote.identity).action == .drop(DP_DROP_POLICY_DENIED))
            let reply = Packet.echoReply(from: talk.server, to: talk.client, id: 10)
            #expect(try lab.receive(reply, identity: Peers.remote.identity).action == .drop(DP_DROP_UNKNOWN_FLOW))
        }
    }

    @Test(arguments: TunnelPath.all, [UInt8(0), 1])
    func `a packet whose hops are used up goes to the stack, which says so`(path: TunnelPath, limit: UInt8) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = Talk(client: lab.a.address(path.family), server: Peers.remote.address(path.family))
            let packet = talk.opening.hopLimit(limit)
            let out = try lab.send(packet, by: lab.a)
            #expect(out.action == .pass)
            #expect(Bool(out.bytes == packet.sent(by: lab.a).bytes))
            let back = talk.fromServer(.synAck).hopLimit(limit)
            let entered = try lab.receive(back, identity: Peers.remote.identity)
            #expect(entered.action == .pass)
            #expect(Bool(entered.bytes == back.bytes))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a packet with a tunnel passes the device untouched`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            // Whatever it is: it was judged when the tunnel was chosen.
            for client in [lab.a.address(path.family), Peers.world.address(path.family)] {
                let packet = Talk(client: client, server: Peers.remote.address(path.family)).opening
                let out = try lab.leaveTunnelled(packet, identity: 99)
                #expect(out.action == .pass)
                #expect(Bool(out.bytes == packet.bytes))
            }
            #expect(try lab.flows().isEmpty)
        }
    }

    @Test(arguments: TunnelPath.all)
    func `fragments follow their first one through the tunnel`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let remote = Peers.remote.identity
            let big = Packet.udp(
                from: lab.a.address(path.family), to: Peers.remote.address(path.family), sport: 5_000, dport: 53
            ).payload(count: 400)
            for part in big.fragments(id: 7, size: 128) {
                #expect(try lab.send(part, by: lab.a).action == .redirect)
            }
            for part in big.reply.fragments(id: 8, size: 128) {
                #expect(try lab.receive(part, identity: remote).action == .redirect)
            }
            #expect(try lab.flows().count == 1)
            let orphan = big.reply.fragments(id: 9, size: 128)[1]
            #expect(try lab.receive(orphan, identity: remote).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
            // Each is judged, as whoever it is from.
            try lab.enforce([lab.a: TestPolicy(ingress: [:])])
            for part in big.reply.fragments(id: 8, size: 128) {
                #expect(try lab.receive(part, identity: 2_999).action == .drop(DP_DROP_INVALID_IDENTITY))
            }
            let opened = Packet.udp(
                from: Peers.remote.address(path.family), to: lab.a.address(path.family), sport: 1, dport: 2
            ).payload(count: 400)
            let refused = opened.fragments(id: 11, size: 128)
            #expect(try lab.receive(refused[0], identity: remote).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.receive(refused[1], identity: remote).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `errors cross the tunnel, from the end and from routers`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [:])])
            let family = path.family
            let out = try lab.establishAcross(lab.a, to: Peers.remote, family)
            let ask = Packet.udp(from: out.client, to: out.server, sport: 5_000, dport: 53)
            _ = try lab.send(ask, by: lab.a)
            let end = Packet.unreachable(quoting: ask)
            #expect(try lab.receive(end, identity: Peers.remote.identity).action == .redirect)
            // The other node, whose stack found the hop limit used up.
            let router = Peers.node.address(family)
            for error in [
                Packet.timeExceeded(from: router, quoting: out.fromClient(.push)),
                .packetTooBig(mtu: 1_300, from: router, quoting: out.fromClient(.push)),
                .unreachable(code: 1, from: router, quoting: ask),
            ] {
                #expect(try lab.receive(error, identity: 6).action == .redirect)
            }
            let alien = Packet.udp(from: out.client, to: out.server, sport: 5_001, dport: 53)
            #expect(
                try lab.receive(.unreachable(quoting: alien), identity: Peers.remote.identity).action
                    == .drop(DP_DROP_UNKNOWN_FLOW))
            #expect(try lab.receive(.timeExceeded(from: router, quoting: alien), identity: 6).action.isDrop)
            // Of this node's pod about what it got from there, and of this node's stack.
            try lab.enforce([lab.a: .open])
            let got = Packet.udp(from: out.server, to: out.client, sport: 7, dport: 7_000)
            #expect(try lab.receive(got, identity: Peers.remote.identity).action == .redirect)
            #expect(try lab.send(.unreachable(quoting: got), by: lab.a).action == .redirect)
            let stack = Packet.timeExceeded(from: Peers.host.address(family), quoting: got)
            #expect(try lab.leave(stack, ingress: 0).action == .pass)
            // What this node's stack has to say about the pod's own packets comes the usual way.
            let own = Packet.timeExceeded(from: Peers.host.address(family), quoting: out.fromClient(.push))
            #expect(try lab.deliver(own, to: lab.a, ingress: 0).action == .pass)
            // A pod is no router here either.
            let forged = Packet.timeExceeded(from: lab.b.address(family), quoting: got)
            #expect(try lab.send(forged, by: lab.b).action == .drop(DP_DROP_INVALID_SOURCE_IP))
        }
    }

    // MARK: Nodes

    @Test(arguments: TunnelPath.all)
    func `this node's processes reach other nodes' pods, and are reached`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let host = Peers.host.address(path.family)
            let out = Talk(client: host, server: Peers.remote.address(path.family))
            #expect(try lab.leave(out.opening, ingress: 0).action == .pass)
            #expect(try lab.receive(out.fromServer(.synAck), identity: Peers.remote.identity).action == .pass)
            #expect(try lab.flows().isEmpty, "no pod's business")
            let back = Talk(client: Peers.remote.address(path.family), server: host)
            let opening = back.opening
            let got = try lab.receive(opening, identity: Peers.remote.identity)
            #expect(got.action == .pass)
            #expect(Bool(got.bytes == opening.bytes))
            #expect(try lab.leave(back.fromServer(.synAck), ingress: 0).action == .pass)
            // Other nodes' processes, too.
            let node = Talk(client: Peers.node.address(path.family), server: host)
            #expect(try lab.receive(node.opening, identity: 6).action == .pass)
            // An error about what this node sent is this node's.
            #expect(
                try lab.receive(.unreachable(quoting: out.opening), identity: Peers.remote.identity).action == .pass)
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a pod reaches another node, and is reached by it`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let family = path.family
            let classID = Peers.node.classID(family)
            try lab.enforce([
                lab.a: TestPolicy(ingress: [classID: .only(.allow(.tcp, 80))], egress: [classID: .allowAll])
            ])
            let out = Talk(client: lab.a.address(family), server: Peers.node.address(family), sport: 1)
            #expect(try lab.send(out.opening, by: lab.a).action == .redirect)
            #expect(try lab.flow(of: out.opening)?.tunnel(to: out.server)?.node == 1)
            #expect(try lab.receive(out.fromServer(.synAck), identity: 6).action == .redirect)
            let back = try lab.establishAcross(from: Peers.node, to: lab.a, family)
            let refused = Talk(client: back.client, server: back.server, dport: 81)
            #expect(try lab.receive(refused.opening, identity: 6).action == .drop(DP_DROP_POLICY_DENIED))
            // From an address of the node that nobody has told.
            let hidden = Talk(client: address(family == .ipv4 ? "172.31.0.1" : "fd77::1"), server: back.server)
            #expect(try lab.receive(hidden.opening, identity: 6).action == .redirect)
            #expect(try lab.flow(of: hidden.opening)?.tunnel(to: hidden.client)?.node == 1)
            #expect(try lab.send(hidden.fromServer(.synAck), by: lab.a).action == .redirect)
            let closed = Talk(client: hidden.client, server: back.server, dport: 81)
            #expect(try lab.receive(closed.opening, identity: 6).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `an API server on another node is more than a node`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let server = Elsewhere.apiServer
            try lab.enforce([lab.a: TestPolicy(ingress: [server.classID(path.family): .allowAll])])
            let node = Elsewhere.node.address(path.underlay)
            let hook = Talk(client: server.address(path.family), server: lab.a.address(path.family))
            #expect(try lab.receive(hook.opening, from: node, identity: 6).action == .redirect)
            #expect(try lab.flow(of: hook.opening)?.tunnel(to: hook.client)?.identity == server.identity)
            let other = Talk(client: Elsewhere.node.address(path.family), server: hook.server)
            #expect(try lab.receive(other.opening, from: node, identity: 6).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `what this node's stack sends elsewhere goes under the node's or the world's name`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let remote = Peers.remote.address(path.family)
            for client in [Peers.host, Peers.world, Peers.wide] {
                let talk = Talk(client: client.address(path.family), server: remote)
                #expect(try lab.leave(talk.opening, ingress: client.isHost ? 0 : lab.uplink).action == .pass)
            }
            // To whom no node is known.
            for target in [Peers.world, Elsewhere.unheard, Elsewhere.service] {
                let talk = Talk(client: Peers.host.address(path.family), server: target.address(path.family))
                #expect(try lab.leave(talk.opening, ingress: 0).action == .drop(DP_DROP_NO_TUNNEL_ENDPOINT))
            }
            // Not a word about what is nobody's.
            let drops = try lab.datapath.counters().drops.reduce(0) { $0 + $1.count.packets }
            let group = address(path.family == .ipv4 ? "224.0.0.22" : "ff02::16")
            let chatter = Packet.udp(from: Peers.host.address(path.family), to: group, sport: 1, dport: 2)
            #expect(try lab.leave(chatter, ingress: 0).action == .drop(nil))
            let arp = Packet.arp(from: lab.a.ipv4, mac: lab.a.mac, to: lab.b.ipv4)
            #expect(try lab.leave(arp, ingress: 0).action == .drop(nil))
            #expect(try lab.datapath.counters().drops.reduce(0) { $0 + $1.count.packets } == drops)
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a node that is gone has no tunnel`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = try lab.establishAcross(lab.a, to: Peers.remote, path.family)
            try lab.datapath.setNode(1, nil)
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .drop(DP_DROP_NO_TUNNEL_ENDPOINT))
            #expect(try lab.leave(talk.opening, ingress: 0).action.isDrop)
            try lab.datapath.setNode(1, Peers.node.address(path.underlay))
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .redirect)
            #expect(throws: DatapathError.self) { try lab.datapath.setNode(0, talk.client) }
            #expect(throws: DatapathError.self) { try lab.datapath.setNode(1 << 20, talk.client) }
        }
    }

    @Test(arguments: TunnelPath.all)
    func `nothing for others comes out of a tunnel`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let group = address(path.family == .ipv4 ? "224.0.0.251" : "ff02::fb")
            let targets = [Peers.world, Peers.stranger, Elsewhere.node, Elsewhere.service, Elsewhere.unheard]
            for target in targets.map({ $0.address(path.family) }) + [group] {
                let packet = Packet.udp(from: Peers.remote.address(path.family), to: target, sport: 1, dport: 2)
                #expect(
                    try lab.receive(packet, identity: Peers.remote.identity).action == .drop(DP_DROP_NO_ENDPOINT))
            }
        }
    }
}

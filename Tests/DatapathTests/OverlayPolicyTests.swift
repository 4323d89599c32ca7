// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import Netlink
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Whom a tunnelled packet is from, and what the policies say of it.
@Suite(
    .serialized, .enabled(if: geteuid() == 0, "needs root"), .enabled(if: TunnelWrapper.isSupported, "needs Linux 6.0"))
struct OverlayPolicyTests {
    // MARK: Identities

    @Test(arguments: TunnelPath.all)
    func `the identity of the tunnel stands for an address that nobody has told`(path: TunnelPath) throws {
        let (family, peer) = (path.family, Elsewhere.unheard)
        try Lab.runOverlay(over: path.underlay) { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [peer.classID(family): .only(.allow(.tcp, 80))])])
            let talk = try lab.establishAcross(from: peer, to: lab.a, family)
            #expect(try lab.onlyFlow().tunnel(to: talk.client)?.node == 1)
            #expect(try lab.onlyFlow().tunnel(to: talk.client)?.identity == peer.identity)
            let other = Talk(client: talk.client, server: talk.server, dport: 81)
            #expect(try lab.receive(other.opening, identity: peer.identity).action == .drop(DP_DROP_POLICY_DENIED))
            // The world's answer to the same address is another one.
            #expect(try lab.receive(other.opening, identity: 2).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a connection with an untold address outlives a change of policies`(path: TunnelPath) throws {
        let (family, peer) = (path.family, Elsewhere.unheard)
        try Lab.runOverlay(over: path.underlay) { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [peer.classID(family): .allowAll], egress: [:])])
            let talk = try lab.establishAcross(from: peer, to: lab.a, family)
            // Whoever speaks first then.
            lab.datapath.judgeAgain()
            #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().tunnel(to: talk.client)?.node == 1)
            #expect(try lab.receive(talk.fromClient(.push), identity: peer.identity).action == .redirect)
            lab.datapath.judgeAgain()
            #expect(try lab.receive(talk.fromClient(.push), identity: peer.identity).action == .redirect)
            #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .redirect)
            // Then its address is told: the same pod, the same way.
            var told = Changeset()
            told.peers = peer.entries(on: 1)
            told.judgeAgain = true
            try lab.datapath.apply(told)
            #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .redirect)
            // And a policy that refuses it is heeded, by the pod's own packet.
            try lab.enforce([lab.a: TestPolicy(ingress: [:], egress: [:])])
            #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a refusal of an untold identity is heeded by the pod's packets`(path: TunnelPath) throws {
        let (family, peer) = (path.family, Elsewhere.unheard)
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = try lab.establishAcross(from: peer, to: lab.a, family)
            try lab.enforce([
                lab.a: TestPolicy(ingress: [peer.classID(family): .denyAll, 0: .allowAll], egress: [0: .allowAll])
            ])
            #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            #expect(
                try lab.receive(talk.fromClient(.push), identity: peer.identity).action == .drop(DP_DROP_POLICY_DENY))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `answers to the world that came by another node go back by it`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            for peer in [Peers.world, Peers.wide] {
                let talk = Talk(client: peer.address(family), server: lab.a.address(family))
                try lab.enforce([lab.a: TestPolicy(ingress: [peer.classID(family): .allowAll], egress: [:])])
                #expect(try lab.receive(talk.opening, identity: 2).action == .redirect)
                #expect(try lab.send(talk.fromServer(.synAck), by: lab.a).action == .redirect)
                lab.datapath.judgeAgain()
                #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .redirect)
                #expect(try lab.flow(of: talk.opening)?.tunnel(to: talk.client)?.node == 1)
                #expect(try lab.receive(talk.fromClient(.ack), identity: 2).action == .redirect)
                // A connection that the pod begins goes its own way.
                try lab.enforce([lab.a: .open])
                let own = Talk(client: lab.a.address(family), server: peer.address(family), sport: 7)
                #expect(try lab.send(own.opening, by: lab.a).action == .pass)
            }
        }
    }

    @Test(arguments: TunnelPath.all)
    func `the node that sends says whose an address is now`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [Elsewhere.unheard.classID(family): .allowAll], egress: [:])])
            let talk = Talk(client: Peers.remote.address(family), server: lab.a.address(family))
            #expect(
                try lab.receive(talk.opening, identity: Peers.remote.identity).action == .drop(DP_DROP_POLICY_DENIED))
            // Its labels have changed.
            #expect(try lab.receive(talk.opening, identity: Elsewhere.unheard.identity).action == .redirect)
            #expect(try lab.onlyFlow().tunnel(to: talk.client)?.node == 1)
            #expect(try lab.send(talk.fromServer(.synAck), by: lab.a).action == .redirect)
            // It is another node's now.
            try lab.enforce([lab.a: .open])
            let moved = Talk(client: talk.client, server: talk.server, sport: 7)
            let other = Elsewhere.node.address(path.underlay)
            #expect(try lab.receive(moved.opening, from: other, identity: Peers.remote.identity).action == .redirect)
            #expect(try lab.flow(of: moved.opening)?.tunnel(to: talk.client)?.node == 2)
            #expect(try lab.send(moved.fromServer(.synAck), by: lab.a).action == .redirect)
        }
    }

    @Test(arguments: TunnelPath.all)
    func `who is known by identity alone must not lie in a rule's prefix`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = Talk(client: Peers.wide.address(path.family), server: lab.a.address(path.family))
            #expect(
                try lab.receive(talk.opening, identity: Elsewhere.unheard.identity).action
                    == .drop(DP_DROP_INVALID_IDENTITY))
            #expect(try lab.receive(talk.opening, identity: 2).action == .redirect, "the world may")
        }
    }

    @Test(arguments: TunnelPath.all)
    func `an identity that is withdrawn stands for nobody`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = Talk(client: Elsewhere.unheard.address(path.family), server: lab.a.address(path.family))
            let identity = Elsewhere.unheard.identity
            var changes = Changeset()
            changes.removedIdentities = [identity]
            try lab.datapath.apply(changes)
            #expect(try lab.receive(talk.opening, identity: identity).action == .drop(DP_DROP_INVALID_IDENTITY))
        }
    }

    // MARK: Policy

    @Test(arguments: TunnelPath.all)
    func `either side's policy refuses`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let classID = Peers.remote.classID(family)
            try lab.enforce([
                lab.a: TestPolicy(
                    ingress: [classID: .only(.allow(.tcp, 80), .deny(.tcp, 82))],
                    egress: [classID: .only(.allow(.udp, 53), .deny(.udp, 54))])
            ])
            let own = lab.a.address(family), remote = Peers.remote.address(family)
            func asks(_ port: UInt16) -> Packet { .udp(from: own, to: remote, sport: 5_000, dport: port) }
            #expect(try lab.send(asks(53), by: lab.a).action == .redirect)
            #expect(try lab.send(asks(54), by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            #expect(try lab.send(asks(55), by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            func opens(_ port: UInt16) -> Packet { Talk(client: remote, server: own, dport: port).opening }
            let identity = Peers.remote.identity
            #expect(try lab.receive(opens(80), identity: identity).action == .redirect)
            #expect(try lab.receive(opens(81), identity: identity).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.receive(opens(82), identity: identity).action == .drop(DP_DROP_POLICY_DENY))
            // Whom the rules don't name.
            let stranger = Talk(client: Peers.stranger.address(family), server: own)
            let node = Elsewhere.node.address(path.underlay)
            #expect(
                try lab.receive(stranger.opening, from: node, identity: Peers.stranger.identity).action
                    == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.flows().count == 2, "what is refused leaves no trace")
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a connection is judged once more, and a new refusal ends it`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let classID = Peers.remote.classID(family), identity = Peers.remote.identity
            let out = try lab.establishAcross(lab.a, to: Peers.remote, family)
            let back = try lab.establishAcross(from: Peers.remote, to: lab.b, family)
            let rejudged = try lab.packets(at: DP_COUNT_REJUDGED)
            lab.datapath.judgeAgain()
            #expect(try lab.receive(out.fromServer(.push), identity: identity).action == .redirect)
            #expect(try lab.send(out.fromClient(.push), by: lab.a).action == .redirect)
            #expect(try lab.send(back.fromServer(.push), by: lab.b).action == .redirect)
            #expect(try lab.receive(back.fromClient(.push), identity: identity).action == .redirect)
            #expect(try lab.packets(at: DP_COUNT_REJUDGED) == rejudged + 2)
            #expect(try lab.flow(of: out.opening)?.initiator == out.client)
            #expect(try lab.flow(of: back.opening)?.initiator == back.client)

            try lab.enforce([
                lab.a: TestPolicy(egress: [classID: .denyAll]), lab.b: TestPolicy(ingress: [classID: .denyAll]),
            ])
            #expect(try lab.receive(out.fromServer(.push), identity: identity).action == .drop(DP_DROP_POLICY_DENY))
            #expect(try lab.send(out.fromClient(.push), by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            #expect(try lab.send(back.fromServer(.push), by: lab.b).action == .drop(DP_DROP_POLICY_DENY))
            #expect(try lab.receive(back.fromClient(.push), identity: identity).action == .drop(DP_DROP_POLICY_DENY))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `an address that moves takes its connections along`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = try lab.establishAcross(lab.a, to: Peers.remote, family)
            var moved = Changeset()
            moved.peers = Peers.remote.entries(on: 2)
            moved.judgeAgain = true
            try lab.datapath.apply(moved)
            // Repeating what began the connection is no way to keep the old node in it.
            #expect(try lab.send(talk.opening, by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().tunnel(to: talk.server)?.node == 2)
            #expect(try lab.send(talk.fromClient(.push), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().tunnel(to: talk.server)?.node == 2)
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a connection that began before the address was told finds its tunnel`(path: TunnelPath) throws {
        let (family, peer) = (path.family, Elsewhere.unheard)
        try Lab.runOverlay(over: path.underlay) { lab throws in
            // As the agent routes other nodes' ranges.
            var socket = try NetlinkSocket()
            let range = prefix(family == .ipv4 ? "10.2.0.0/24" : "fd00:2::/64")
            let route = Route(range, link: Int32(Lab.tunnelLink))
            try socket.perform(.replaceRoute(route))
            defer { try? socket.perform(.deleteRoute(route)) }
            try Sysctl.write("net/ipv4/ip_forward", "1")
            try Sysctl.write("net/ipv6/conf/all/forwarding", "1")
            let talk = Talk(client: lab.a.address(family), server: peer.address(family))
            try socket.perform(
                .replaceNeighbour(
                    Neighbour(link: Int32(Lab.tunnelLink), address: talk.server, mac: MACAddress(value: 2))))
            // The stack's route would lead it into a tunnel that leads nowhere, and does not yet.
            for packet in [talk.opening, talk.opening] {
                #expect(try lab.send(packet, by: lab.a).action == .pass)
                #expect(
                    try lab.leave(packet, ingress: lab.a.ifindex).action == .drop(DP_DROP_NO_TUNNEL_ENDPOINT))
            }
            var told = Changeset()
            told.peers = peer.entries(on: 1)
            // Nothing else changes: no policy knows a difference.
            try lab.datapath.apply(told)
            #expect(try lab.send(talk.opening, by: lab.a).action == .redirect)
            #expect(try lab.receive(talk.fromServer(.synAck), identity: peer.identity).action == .redirect)
            #expect(try lab.send(talk.fromClient(.ack), by: lab.a).action == .redirect)
            #expect(try lab.onlyFlow().tunnel(to: talk.server)?.node == 1)
        }
    }

    @Test(arguments: TunnelPath.all)
    func `connections across nodes outlive the agent`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let out = try lab.establishAcross(lab.a, to: Peers.remote, family)
            let back = try lab.establishAcross(from: Elsewhere.unheard, to: lab.b, family)
            lab.isSpoilt = true
            let overlay = lab.datapath.configuration.overlay
            try lab.restart { $0.overlay = overlay }
            try lab.joinNodes()
            try lab.datapath.finishStart()
            try lab.enforce([
                lab.a: TestPolicy(ingress: [:]), lab.b: TestPolicy(ingress: [0: .allowAll], egress: [:]),
            ])
            #expect(
                try lab.receive(out.fromServer(.push), identity: Peers.remote.identity).action == .redirect)
            #expect(try lab.send(back.fromServer(.push), by: lab.b).action == .redirect)
            #expect(try lab.flow(of: out.opening)?.initiator == out.client)
        }
    }
}

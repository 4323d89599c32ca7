// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Who may send into tunnels, and as whom.
@Suite(
    .serialized, .enabled(if: geteuid() == 0, "needs root"), .enabled(if: TunnelWrapper.isSupported, "needs Linux 6.0"))
struct OverlaySenderTests {
    /// Of no pod: unknown, host, world, remote node, API server, the families' worlds, the last reserved, the last of all.
    private static let reserved: [UInt32] = [0, 1, 2, 6, 7, 9, 10, 255, 0xff_ffff]

    @Test(arguments: TunnelPath.all)
    func `only nodes send into tunnels`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = Talk(client: Peers.remote.address(path.family), server: lab.a.address(path.family))
            let liars =
                [Peers.world, Peers.wide, Peers.host, Peers.remote, Elsewhere.service].map { $0.address(path.underlay) }
                + [lab.a.address(path.underlay), address(path.underlay == .ipv4 ? "0.0.0.0" : "::")]
            for liar in liars {
                for packet in [talk.opening, talk.fromClient(.push)] {
                    let action = try lab.receive(packet, from: liar, identity: Peers.remote.identity).action
                    #expect(action == .drop(DP_DROP_UNKNOWN_SENDER), "\(liar)")
                }
                // Nor to this node's own processes.
                let toHost = Talk(client: talk.client, server: Peers.host.address(path.family))
                #expect(
                    try lab.receive(toHost.opening, from: liar, identity: Peers.remote.identity).action
                        == .drop(DP_DROP_UNKNOWN_SENDER), "\(liar)")
            }
            // From no tunnel at all, or one over the other family.
            let context = SkbContext(ifindex: Lab.tunnelLink, ingressIfindex: Lab.tunnelLink)
            let bare = try #require(lab.datapath.overlay).from.testRun(talk.opening.bytes, context: context)
            #expect(try lab.outcome(bare, fromPod: false).action == .drop(DP_DROP_UNKNOWN_SENDER))
            let other = Peers.node.address(path.underlay == .ipv4 ? .ipv6 : .ipv4)
            #expect(
                try lab.receive(talk.opening, from: other, identity: Peers.remote.identity).action
                    == .drop(DP_DROP_UNKNOWN_SENDER))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `an established connection is not for others either`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = try lab.establishAcross(lab.a, to: Peers.remote, family)
            let packet = talk.fromServer(.push)
            // By any other way than the tunnel.
            for ingress in [lab.uplink, lab.b.ifindex, 0] as [UInt32] {
                let action = try lab.deliver(packet, to: lab.a, ingress: ingress).action
                #expect(action == .drop(DP_DROP_INVALID_SOURCE_IP), "\(ingress)")
            }
            #expect(try lab.send(packet, by: lab.b).action == .drop(DP_DROP_INVALID_SOURCE_IP))
            let opening = Talk(client: talk.server, server: talk.client).opening
            #expect(try lab.deliver(opening, to: lab.a).action == .drop(DP_DROP_INVALID_SOURCE_IP))
            // Nor by a tunnel from anybody else, now or with time.
            for _ in 0..<2 {
                for liar in [Peers.world.address(path.underlay), Peers.host.address(path.underlay)] {
                    let action = try lab.receive(
                        talk.fromServer(.rst), from: liar, identity: Peers.remote.identity
                    ).action
                    #expect(action == .drop(DP_DROP_UNKNOWN_SENDER))
                }
                lab.datapath.judgeAgain()
            }
            #expect(try lab.receive(packet, identity: 6).action == .drop(DP_DROP_INVALID_IDENTITY))
            #expect(try lab.receive(packet, identity: Peers.remote.identity).action == .redirect)
            #expect(try !lab.onlyFlow().has(DP_FLOW_RESET))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `nobody elsewhere has an address of this node`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            var making = Changeset()
            let unready = address(family == .ipv4 ? "10.1.0.9" : "fd00:1::9")
            making.peers = [(unready, PeerEntry(identity: 9, slot: 0, endpoint: 9))]
            try lab.datapath.apply(making)
            let own = [lab.b.address(family), Peers.host.address(family), Elsewhere.service.address(family), unready]
            for source in own {
                for identity in [2, 6, Peers.remote.identity, lab.b.identity] {
                    let talk = Talk(client: source, server: lab.a.address(family))
                    for packet in [talk.opening, talk.fromClient(.ack)] {
                        let action = try lab.receive(packet, identity: identity).action
                        #expect(action == .drop(DP_DROP_INVALID_SOURCE_IP), "\(source) as \(identity)")
                    }
                }
            }
            // Not in a connection between two pods of this node, whose entry is there.
            let local = try lab.establish(lab.b, lab.a, family)
            #expect(
                try lab.receive(local.fromClient(.push), identity: lab.b.identity).action
                    == .drop(DP_DROP_INVALID_SOURCE_IP))
            #expect(try lab.send(local.fromServer(.push), by: lab.a).action == .redirect)
        }
    }

    @Test(arguments: TunnelPath.all)
    func `reserved identities are nobody's pods`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            for identity in Self.reserved {
                let known = Talk(client: Peers.remote.address(family), server: lab.a.address(family))
                #expect(
                    try lab.receive(known.opening, identity: identity).action == .drop(DP_DROP_INVALID_IDENTITY),
                    "\(identity)")
                // Of another node's pod, by another node.
                let other = Talk(client: Peers.stranger.address(family), server: known.server)
                #expect(
                    try lab.receive(other.opening, identity: identity).action == .drop(DP_DROP_INVALID_IDENTITY),
                    "\(identity)")
                // Of an address that nobody has told, the world's and the node's own are in order.
                let untold = Talk(client: Elsewhere.unknown.address(family), server: known.server)
                let isWorld = [2, family == .ipv4 ? 9 : 10].contains(identity)
                let expected: Action = isWorld || identity == 6 ? .redirect : .drop(DP_DROP_INVALID_IDENTITY)
                #expect(try lab.receive(untold.opening, identity: identity).action == expected, "\(identity)")
                if expected == .redirect {
                    #expect(
                        try lab.flow(of: untold.opening)?.tunnel(to: untold.client)?.identity
                            == (identity == 6 ? 6 : family == .ipv4 ? 9 : 10))
                }
            }
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a node's address is the node's`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = Talk(client: Peers.node.address(family), server: lab.a.address(family))
            for identity in Self.reserved + [2_001, 2_003] where identity != 6 {
                #expect(
                    try lab.receive(talk.opening, identity: identity).action == .drop(DP_DROP_INVALID_IDENTITY),
                    "\(identity)")
            }
            // Node 2 is not node 1.
            let other = Elsewhere.node.address(path.underlay)
            let action = try lab.receive(
                Talk(client: Peers.node.address(family), server: lab.a.address(family), sport: 9).opening,
                from: other, identity: 1
            ).action
            #expect(action == .drop(DP_DROP_INVALID_IDENTITY))
        }
    }

    @Test(arguments: [Family.ipv4, .ipv6], [false, true])
    func `what the stack forwards becomes no tunnel of this node`(underlay: Family, nodesStay: Bool) throws {
        try Lab.runOverlay(over: underlay) { lab throws in
            let (own, node) = (Lab.node(underlay), Peers.node.address(underlay))
            // The node's, and the others know it.
            let told = Peers.host.address(underlay)
            let wide = try #require(Prefix(node, length: 16))
            try lab.masquerade { if nodesStay { $0.excluded.insert(wide) } }
            let forged = Packet.udp(from: own, to: node, sport: 5_000, dport: Lab.tunnelPort)
            func leave(_ packet: Packet, ingress: UInt32, mark: UInt32 = 0) throws -> NodeOutcome {
                try lab.runNode(
                    lab.masquerading().toNode, packet.bytes, out: true, ingress: ingress, mark: mark)
            }
            // A pod's, by way of a service, or somebody's outside.
            for ingress in [lab.a.ifindex, lab.uplink] {
                #expect(try leave(forged, ingress: ingress).reason == DP_DROP_UNKNOWN_SENDER.rawValue, "\(ingress)")
                // To other ports, by other protocols, to others.
                let next = Packet.udp(from: own, to: node, sport: 5_000, dport: Lab.tunnelPort + 1)
                #expect(try leave(next, ingress: ingress).reason == nil)
                let stream = Packet.tcp(from: own, to: node, sport: 5_000, dport: Lab.tunnelPort)
                #expect(try leave(stream, ingress: ingress).reason == nil)
                // An address that nobody told of may be another one of the node's; somebody else's packets are his own.
                let world = Peers.world.address(underlay)
                let unknown = Packet.udp(from: told, to: world, sport: 5_000, dport: Lab.tunnelPort)
                #expect(try leave(unknown, ingress: ingress).reason == DP_DROP_UNKNOWN_SENDER.rawValue, "\(ingress)")
                let passing = Packet.udp(
                    from: Elsewhere.unheard.address(underlay), to: world, sport: 5_000, dport: Lab.tunnelPort)
                #expect(try leave(passing, ingress: ingress).reason == nil)
            }
            // What conntrack takes apart again has no device that it came in by: IPv6 only.
            let part = Packet.udp(from: own, to: node, sport: 5_000, dport: Lab.tunnelPort).payload(count: 300)
                .fragments(id: 77, size: 128)[0]
            #expect((try leave(part, ingress: 0).reason != nil) == (underlay == .ipv6))
            // The node's own tunnels.
            #expect(try leave(forged, ingress: 0).reason == nil)
            let inner = Talk(client: lab.a.address(underlay), server: Peers.remote.address(underlay)).opening
            let context = SkbContext(ifindex: Lab.tunnelLink, ingressIfindex: lab.a.ifindex)
            let sent = try #require(lab.tunnel).run(
                inner.bytes, from: node, lab.a.identity, .toOverlay, context: context)
            let mark = try #require(sent.context).mark
            #expect((mark != 0) == (underlay == .ipv6))
            if mark != 0 { #expect(try leave(forged, ingress: lab.a.ifindex, mark: mark).reason == nil) }
        }
    }

    @Test(arguments: TunnelPath.all)
    func `pods send nothing to where nodes take tunnels from`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let own = lab.a.address(family)
            for node in [Peers.node, Elsewhere.node, Elsewhere.apiServer, Peers.host, Peers.world] {
                let target = node.address(family)
                let forged = Packet.udp(from: own, to: target, sport: 5_000, dport: Lab.tunnelPort)
                    .payload(count: 300)
                #expect(try lab.send(forged, by: lab.a).action == .drop(DP_DROP_UNKNOWN_SENDER), "\(target)")
                let parts = forged.fragments(id: UInt32(target.low & 0xff), size: 128)
                #expect(try lab.send(parts[0], by: lab.a).action == .drop(DP_DROP_UNKNOWN_SENDER), "\(target)")
                for part in parts.dropFirst() {
                    #expect(try lab.send(part, by: lab.a).action == .drop(DP_DROP_FRAGMENT_NOT_FOUND), "\(target)")
                }
                let next = Packet.udp(from: own, to: target, sport: 5_000, dport: Lab.tunnelPort + 1)
                #expect(try !lab.send(next, by: lab.a).action.isDrop)
                let stream = Talk(client: own, server: target, dport: Lab.tunnelPort)
                #expect(try !lab.send(stream.opening, by: lab.a).action.isDrop)
            }
            // For a pod it is a port as any other, until the address turns out to be a node's.
            let remote = Peers.remote.address(family)
            let packet = Packet.udp(from: own, to: remote, sport: 5_000, dport: Lab.tunnelPort)
            #expect(try !lab.send(packet, by: lab.a).action.isDrop)
            var changes = Changeset()
            changes.peers = [(remote, PeerEntry(identity: 6, slot: 20, isRemoteNode: true))]
            changes.judgeAgain = true
            try lab.datapath.apply(changes)
            #expect(try lab.send(packet, by: lab.a).action == .drop(DP_DROP_UNKNOWN_SENDER))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `pods reach the device for tunnels by their own veth only`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let talk = Talk(client: lab.a.address(family), server: Peers.remote.address(family))
            for ingress in [lab.uplink, lab.b.ifindex, 0, Lab.tunnelLink] {
                let action = try lab.leave(talk.opening, ingress: ingress).action
                #expect(action == .drop(DP_DROP_INVALID_SOURCE_IP), "\(ingress)")
            }
            var making = Changeset()
            let unready = address(family == .ipv4 ? "10.1.0.9" : "fd00:1::9")
            making.peers = [(unready, PeerEntry(identity: 9, slot: 0, endpoint: 9))]
            try lab.datapath.apply(making)
            #expect(
                try lab.leave(Talk(client: unready, server: talk.server).opening, ingress: lab.a.ifindex).action
                    == .drop(DP_DROP_INVALID_SOURCE_IP))
        }
    }
}

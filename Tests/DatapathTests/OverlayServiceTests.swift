// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Addresses that the host's stack translates, as kube-proxy sets it up: here the test does what the stack would.
@Suite(
    .serialized, .enabled(if: geteuid() == 0, "needs root"), .enabled(if: TunnelWrapper.isSupported, "needs Linux 6.0"))
struct OverlayServiceTests {
    /// A pod's connection to a service, and what the stack makes of it.
    private struct Translation {
        let asked: Talk
        let answered: Talk

        init(_ client: TestPod, to backend: IPAddress, dport: UInt16 = 8_080) {
            let family: Family = backend.isIPv4 ? .ipv4 : .ipv6
            asked = Talk(client: client.address(family), server: Elsewhere.service.address(family))
            answered = Talk(client: client.address(family), server: backend, dport: dport)
        }
    }

    @Test(arguments: TunnelPath.all)
    func `a service's address is the stack's, whatever egress rules say`(path: TunnelPath) throws {
        try Lab.runOverlay(over: path.underlay) { lab throws in
            try lab.enforce([lab.a: .closed])
            let talk = Translation(lab.a, to: lab.b.address(path.family)).asked
            let out = try lab.send(talk.opening, by: lab.a)
            #expect(out.action == .pass)
            #expect(Bool(out.bytes == talk.opening.sent(by: lab.a).bytes))
            // An answer needs a question.
            let alien = Talk(client: talk.client, server: talk.server, dport: 81)
            #expect(try lab.deliver(alien.fromServer(.synAck), to: lab.a).action.isDrop)
            #expect(
                try lab.deliver(Talk(client: talk.server, server: talk.client).opening, to: lab.a).action
                    == .drop(DP_DROP_INVALID_SOURCE_IP))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `what the stack translates to another node's pod is judged by the sender's policy`(path: TunnelPath) throws {
        let (family, remote) = (path.family, Peers.remote)
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let way = Translation(lab.a, to: remote.address(family))
            let classID = remote.classID(family)
            try lab.enforce([lab.a: TestPolicy(ingress: [:], egress: [classID: .only(.allow(.tcp, 8_080))])])
            func talk(_ port: UInt16) throws {
                #expect(try lab.send(way.asked.opening, by: lab.a).action == .pass)
                #expect(try lab.leave(way.answered.opening, ingress: lab.a.ifindex).action == .pass)
                let flow = try #require(try lab.flow(of: way.answered.opening))
                #expect(flow.has(DP_FLOW_TRANSLATED))
                #expect(flow.tunnel(to: way.answered.server)?.node == 1)
            }
            try talk(8_080)
            // Back by the stack, which makes it the service's answer.
            let answer = try lab.receive(way.answered.fromServer(.synAck), identity: remote.identity)
            #expect(answer.action == .pass)
            #expect(Bool(answer.bytes == way.answered.fromServer(.synAck).bytes), "as it was")
            #expect(
                try lab.deliver(way.asked.fromServer(.synAck), to: lab.a, ingress: Lab.tunnelLink).action == .pass)
            #expect(try lab.send(way.asked.fromClient(.ack), by: lab.a).action == .pass)
            #expect(try lab.leave(way.answered.fromClient(.ack), ingress: lab.a.ifindex).action == .pass)
            // An answer is at home where it comes in: nothing is judged once more.
            let judged = try lab.packets(at: DP_COUNT_REJUDGED)
            #expect(try lab.receive(way.answered.fromServer(.push), identity: remote.identity).action == .pass)
            #expect(try lab.packets(at: DP_COUNT_REJUDGED) == judged)
            // An error about it takes the same way.
            #expect(
                try lab.receive(.unreachable(quoting: way.answered.fromClient(.ack)), identity: remote.identity).action
                    == .pass)
            #expect(
                try lab.deliver(
                    .unreachable(from: Peers.host.address(family), quoting: way.asked.fromClient(.ack)), to: lab.a,
                    ingress: Lab.tunnelLink
                ).action == .pass)

            // In either direction first after a change.
            lab.datapath.judgeAgain()
            #expect(
                try lab.receive(way.answered.fromServer(.push), identity: remote.identity).action == .pass)
            #expect(
                try lab.deliver(way.asked.fromServer(.push), to: lab.a, ingress: Lab.tunnelLink).action == .pass)
            lab.datapath.judgeAgain()
            #expect(try lab.send(way.asked.fromClient(.push), by: lab.a).action == .pass)
            #expect(try lab.leave(way.answered.fromClient(.push), ingress: lab.a.ifindex).action == .pass)
            // Nobody else's device.
            #expect(try lab.leave(way.answered.fromClient(.push), ingress: lab.b.ifindex).action.isDrop)

            let refused = Translation(lab.a, to: remote.address(family), dport: 81)
            #expect(
                try lab.leave(refused.answered.opening, ingress: lab.a.ifindex).action == .drop(DP_DROP_POLICY_DENIED))
            let stranger = Translation(lab.a, to: Peers.stranger.address(family))
            #expect(
                try lab.leave(stranger.answered.opening, ingress: lab.a.ifindex).action
                    == .drop(DP_DROP_POLICY_DENIED))
            let unheard = Translation(lab.a, to: Elsewhere.unheard.address(family))
            #expect(
                try lab.leave(unheard.answered.opening, ingress: lab.a.ifindex).action
                    == .drop(DP_DROP_NO_TUNNEL_ENDPOINT))
            try lab.enforce([lab.a: TestPolicy(egress: [classID: .denyAll])])
            #expect(
                try lab.leave(way.answered.fromClient(.push), ingress: lab.a.ifindex).action
                    == .drop(DP_DROP_POLICY_DENY))
            #expect(
                try lab.receive(way.answered.fromServer(.push), identity: remote.identity).action
                    == .drop(DP_DROP_POLICY_DENY))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `datagrams, pings and fragments are translated as well`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let own = lab.a.address(family), remote = Peers.remote.address(family)
            let ask = Packet.udp(from: own, to: remote, sport: 5_000, dport: 53).payload(count: 400)
            for packet in [ask] + ask.fragments(id: 3, size: 128) + [.echoRequest(from: own, to: remote, id: 3)] {
                let out = try lab.leave(packet, ingress: lab.a.ifindex)
                #expect(out.action == .pass)
                #expect(Bool(out.bytes == packet.bytes), "the stack has taken its hop already")
            }
            for packet in [ask.reply] + ask.reply.fragments(id: 4, size: 128)
                + [.echoReply(from: remote, to: own, id: 3)]
            {
                #expect(try lab.receive(packet, identity: Peers.remote.identity).action == .pass)
            }
        }
    }

    @Test(arguments: TunnelPath.all)
    func `what the stack translates to a pod of this node is judged by both`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let way = Translation(lab.a, to: lab.b.address(family))
            try lab.enforce([
                lab.a: TestPolicy(ingress: [:], egress: [lab.b.classID: .only(.allow(.tcp, 8_080))]),
                lab.b: TestPolicy(ingress: [lab.a.classID: .allowAll], egress: [:]),
            ])
            #expect(try lab.send(way.asked.opening, by: lab.a).action == .pass)
            #expect(try lab.deliver(way.answered.opening, to: lab.b, ingress: lab.a.ifindex).action == .pass)
            // The answer goes to the stack, not to the pod.
            #expect(try lab.send(way.answered.fromServer(.synAck), by: lab.b).action == .pass)
            #expect(
                try lab.deliver(way.asked.fromServer(.synAck), to: lab.a, ingress: lab.b.ifindex).action == .pass)
            lab.datapath.judgeAgain()
            #expect(try lab.send(way.answered.fromServer(.push), by: lab.b).action == .pass)
            let refused = Translation(lab.a, to: lab.b.address(family), dport: 81)
            #expect(
                try lab.deliver(refused.answered.opening, to: lab.b, ingress: lab.a.ifindex).action
                    == .drop(DP_DROP_POLICY_DENIED))
            try lab.enforce([lab.b: TestPolicy(ingress: [lab.a.classID: .denyAll])])
            #expect(
                try lab.deliver(way.answered.fromClient(.push), to: lab.b, ingress: lab.a.ifindex).action
                    == .drop(DP_DROP_POLICY_DENY))
        }
    }

    @Test(arguments: TunnelPath.all)
    func `what another node's pod or process sends to a port of this node is answered there`(path: TunnelPath) throws {
        let family = path.family
        try Lab.runOverlay(over: path.underlay) { lab throws in
            let host = Peers.host.address(family)
            for (peer, ingress) in [
                (Peers.remote, Lab.tunnelLink), (Peers.node, Lab.tunnelLink), (Peers.node, lab.uplink),
            ] {
                try lab.forgetFlows()
                try lab.enforce([
                    lab.a: TestPolicy(ingress: [peer.classID(family): .only(.allow(.tcp, 8_080))], egress: [:])
                ])
                let asked = Talk(client: peer.address(family), server: host, dport: 30_000)
                let way = Talk(client: peer.address(family), server: lab.a.address(family), dport: 8_080)
                if ingress == Lab.tunnelLink {
                    #expect(try lab.receive(asked.opening, identity: peer.identity).action == .pass)
                }
                #expect(try lab.deliver(way.opening, to: lab.a, ingress: ingress).action == .pass)
                // Into the tunnel it would come from the pod, whom nobody asked.
                #expect(try lab.send(way.fromServer(.synAck), by: lab.a).action == .pass)
                if ingress == Lab.tunnelLink {
                    #expect(try lab.leave(asked.fromServer(.synAck), ingress: lab.a.ifindex).action == .pass)
                }
                #expect(try lab.deliver(way.fromClient(.ack), to: lab.a, ingress: ingress).action == .pass)
                lab.datapath.judgeAgain()
                #expect(try lab.send(way.fromServer(.push), by: lab.a).action == .pass)
                #expect(try lab.deliver(way.fromClient(.push), to: lab.a, ingress: ingress).action == .pass)
                lab.datapath.judgeAgain()
                #expect(try lab.deliver(way.fromClient(.push), to: lab.a, ingress: ingress).action == .pass)
                #expect(try lab.send(way.fromServer(.push), by: lab.a).action == .pass)
                let refused = Talk(client: way.client, server: way.server, dport: 8_081)
                #expect(
                    try lab.deliver(refused.opening, to: lab.a, ingress: ingress).action
                        == .drop(DP_DROP_POLICY_DENIED))
            }
            // Another node's pod has no other way than the tunnel.
            let talk = Talk(client: Peers.remote.address(family), server: lab.b.address(family))
            for ingress in [lab.uplink, lab.c.ifindex, 0] {
                #expect(
                    try lab.deliver(talk.opening, to: lab.b, ingress: ingress).action
                        == .drop(DP_DROP_INVALID_SOURCE_IP))
            }
        }
    }
}

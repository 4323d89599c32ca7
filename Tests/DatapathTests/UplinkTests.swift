// SPDX-License-Identifier: Apache-2.0
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Pods and the outside of the node: what goes by the stack goes by it both ways, and what does not, neither way.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct UplinkTests {
    private static let service = TestPeer(
        ipv4: "10.96.0.10", ipv6: "fd00:96::10", identity: 2, slot: 0, isService: true)

    private func run(
        fib: Bool = true, masquerades: Bool = true, _ body: (Lab) throws -> Void
    ) throws {
        try Lab.run({ $0.fib = fib }, variant: "routes", prepare: { try $0.addRoutes() }) { lab throws in
            try lab.masquerade { if !masquerades { $0.masquerades = false } }
            try body(lab)
        }
    }

    /// Redirected into the pod as a router would have sent it.
    private func expect(
        _ outcome: NodeOutcome, delivers packet: Packet, to pod: TestPod,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        #expect(outcome.verdict == 7, sourceLocation: sourceLocation)
        let expected = packet.hopLimit(63).macs(from: pod.gateway, to: pod.mac).bytes
        #expect(Bool(outcome.bytes == expected), "rewritten", sourceLocation: sourceLocation)
    }

    @Test(arguments: Family.allCases)
    func `what answers a pod that is masqueraded goes to it without the stack`(family: Family) throws {
        try run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: Peers.world.address(family))
            #expect(try lab.send(talk.opening, by: lab.a).action == .redirect)
            let end = try #require(try lab.leave(talk.opening).source)
            #expect(end.address == Lab.node(family))
            let answer = talk.fromServer(.synAck)
            expect(try lab.arrive(answer.to(end)), delivers: answer, to: lab.a)
            // Also when policy has changed since the pod spoke last, and not when it refuses now.
            lab.datapath.judgeAgain()
            expect(try lab.arrive(talk.fromServer(.push).to(end)), delivers: talk.fromServer(.push), to: lab.a)
            try lab.enforce([lab.a: .closed])
            #expect(try lab.arrive(talk.fromServer(.push).to(end)).isDrop(DP_DROP_POLICY_DENIED))
            #expect(try lab.arrive(answer.to(end)).isDrop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: [Traffic.udp, .echo], Family.allCases)
    func `so does what is no TCP, and errors about it`(kind: Traffic, family: Family) throws {
        try run { lab throws in
            let packet = kind.packet(from: lab.b.address(family), to: Peers.world.address(family))
            #expect(try lab.send(packet, by: lab.b).action == .redirect)
            let out = try lab.leave(packet)
            let end = try #require(out.source)
            let answer = kind == .echo ? packet.reply : packet.reply.payload(count: 9)
            expect(try lab.arrive(answer.to(end)), delivers: answer, to: lab.b)
            let router = Peers.wide.address(family)
            let error = Packet.timeExceeded(from: router, quoting: packet)
            expect(
                try lab.arrive(.timeExceeded(from: router, quoting: packet.from(end))), delivers: error, to: lab.b)
        }
    }

    @Test(arguments: Family.allCases)
    func `what begins outside is judged as it comes in, and answered the way that it came`(family: Family) throws {
        try run(masquerades: false) { lab throws in
            for peer in [Peers.remote, Peers.node, Peers.wide] {
                let talk = Talk(client: peer.address(family), server: lab.a.address(family))
                expect(try lab.arrive(talk.opening), delivers: talk.opening, to: lab.a)
                #expect(try lab.send(talk.fromServer(.synAck), by: lab.a).action == .redirect)
                expect(try lab.arrive(talk.fromClient(.push)), delivers: talk.fromClient(.push), to: lab.a)
                lab.datapath.judgeAgain()
                #expect(try lab.send(talk.fromServer(.push), by: lab.a).action == .redirect)
                #expect(try lab.flow(of: talk.opening)?.initiator == talk.client)
            }
            try lab.enforce([lab.b: TestPolicy(ingress: [Peers.remote.classID(family): .only(.allow(.tcp, 80))])])
            let allowed = Talk(client: Peers.remote.address(family), server: lab.b.address(family))
            expect(try lab.arrive(allowed.opening), delivers: allowed.opening, to: lab.b)
            let refused = Talk(client: Peers.stranger.address(family), server: lab.b.address(family))
            #expect(try lab.arrive(refused.opening).isDrop(DP_DROP_POLICY_DENIED))
            // A connection that is not known may be one that the stack translates.
            #expect(try lab.arrive(refused.fromClient(.push)).passes)
        }
    }

    @Test(arguments: Family.allCases)
    func `nobody outside is one of this node's`(family: Family) throws {
        try run { lab throws in
            for source in [lab.b.address(family), Peers.host.address(family)] {
                let talk = Talk(client: source, server: lab.a.address(family))
                #expect(try lab.arrive(talk.opening).isDrop(DP_DROP_INVALID_SOURCE_IP))
            }
            // Nor may it speak in a connection between two of them.
            let talk = try lab.establish(lab.b, lab.a, family)
            #expect(try lab.arrive(talk.fromClient(.push)).isDrop(DP_DROP_INVALID_SOURCE_IP))
            #expect(try lab.send(talk.fromClient(.push), by: lab.b).action == .redirect)
        }
    }

    @Test(arguments: Family.allCases)
    func `what came to a pod by the stack is answered by the stack`(family: Family) throws {
        try run { lab throws in
            // A port of the node that is a service's: translated before the pod sees it.
            let talk = Talk(client: Peers.wide.address(family), server: lab.a.address(family))
            #expect(try lab.deliver(talk.opening, to: lab.a).action == .pass)
            for _ in 0..<2 {
                #expect(try lab.send(talk.fromServer(.synAck), by: lab.a).action == .pass)
                #expect(try lab.arrive(talk.fromClient(.push)).passes)
                #expect(try lab.deliver(talk.fromClient(.push), to: lab.a).action == .pass)
                lab.datapath.judgeAgain()
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `what the stack has translated is judged before it leaves, and comes back by it`(family: Family) throws {
        try run { lab throws in
            var changes = Changeset()
            changes.peers = Self.service.entries
            try lab.datapath.apply(changes)
            let backend = Peers.wide
            try lab.enforce([
                lab.a: TestPolicy(egress: [backend.classID(family): .only(.allow(.tcp, 8_080))])
            ])
            let asked = Talk(client: lab.a.address(family), server: Self.service.address(family))
            #expect(try lab.send(asked.opening, by: lab.a).action == .pass)
            // Nobody translates it: it is nobody's.
            #expect(try lab.leave(asked.opening).isDrop(DP_DROP_UNKNOWN_TARGET))
            let refused = Talk(client: asked.client, server: backend.address(family), dport: 81)
            #expect(try lab.leave(refused.opening).isDrop(DP_DROP_POLICY_DENIED))
            let allowed = Talk(client: asked.client, server: backend.address(family), dport: 8_080)
            let out = try lab.leave(allowed.opening)
            #expect(out.passes)
            let end = try #require(out.source)
            #expect(end.address == Lab.node(family))
            // The stack makes it the service's answer.
            let back = try lab.arrive(allowed.fromServer(.synAck).to(end))
            #expect(back.passes)
            #expect(back.destination?.address == lab.a.address(family))
            #expect(try lab.deliver(asked.fromServer(.synAck), to: lab.a).action == .pass)
            // Nor is it any use to have spoken to it directly before.
            let direct = Talk(client: asked.client, server: backend.address(family), sport: 41_000, dport: 8_080)
            #expect(try lab.send(direct.opening, by: lab.a).action == .redirect)
            #expect(try lab.leave(direct.opening).passes)
            lab.datapath.judgeAgain()
            #expect(try lab.leave(direct.fromClient(.push)).passes)
            #expect(try lab.flow(of: direct.opening)?.has(DP_FLOW_TRANSLATED) == false, "it is its pod's to write")
            try lab.enforce([lab.a: TestPolicy(egress: [backend.classID(family): .only(.allow(.tcp, 81))])])
            for flags in [TCPFlags.syn, .push] {
                #expect(try lab.leave(direct.fromClient(flags)).isDrop(DP_DROP_POLICY_DENIED))
            }
            try lab.enforce([
                lab.a: TestPolicy(egress: [backend.classID(family): .only(.allow(.tcp, 8_080))])
            ])
            // What was allowed once is not for ever.
            #expect(try lab.leave(allowed.fromClient(.push)).passes)
            try lab.enforce([lab.a: .closed])
            #expect(try lab.leave(allowed.fromClient(.push)).isDrop(DP_DROP_POLICY_DENIED))
            changes = Changeset()
            changes.removedPeers = Self.service.entries.map(\.address)
            try lab.datapath.apply(changes)
        }
    }

    @Test(arguments: Family.allCases)
    func `a pod's address is no other device's`(family: Family) throws {
        try run { lab throws in
            let talk = Talk(client: lab.b.address(family), server: Peers.world.address(family))
            let stray = talk.opening.macs(from: lab.a.mac, to: lab.a.gateway)
            let out = try lab.runNode(lab.masquerading().toNode, stray.bytes, out: true, ingress: lab.a.ifindex)
            #expect(out.isDrop(DP_DROP_INVALID_SOURCE_IP))
        }
    }

    @Test(arguments: Family.allCases)
    func `with all by the stack it is asked in both directions`(family: Family) throws {
        try run(fib: false) { lab throws in
            let talk = Talk(client: lab.a.address(family), server: Peers.world.address(family))
            #expect(try lab.send(talk.opening, by: lab.a).action == .pass)
            let out = try lab.leave(talk.opening)
            #expect(out.passes)
            let end = try #require(out.source)
            let back = try lab.arrive(talk.fromServer(.synAck).to(end))
            #expect(back.passes)
            #expect(back.destination == Ending(talk.client, talk.sport))
            #expect(try lab.deliver(talk.fromServer(.synAck), to: lab.a).action == .pass)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Connections that the stack translates, addresses that move, and a table that is too small.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct FlowTableTests {
    @Test(arguments: Family.allCases)
    func `what the stack translated goes back through the stack`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.enforce([
                lab.a: TestPolicy(ingress: [:], egress: [0: .only(.allow(.tcp, 80))]),
                lab.b: TestPolicy(ingress: [lab.a.classID: .only(.allow(.tcp, 80))], egress: [:]),
            ])
            // The pod calls a service, and the node's stack makes it a call to b.
            let service = Talk(
                client: lab.a.address(family), server: address(family == .ipv4 ? "198.51.100.80" : "2001:db8:80::80"))
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            #expect(try lab.send(service.opening, by: lab.a).action == .pass)
            #expect(try lab.deliver(talk.opening, to: lab.b, ingress: lab.a.ifindex).action == .pass)
            func entry() throws -> FlowEntry { try #require(try lab.flow(of: talk.opening)) }
            #expect(try entry().has(DP_FLOW_TRANSLATED))
            #expect(try entry().end(of: talk.client).endpoint == 0)
            #expect(try entry().end(of: talk.server).endpoint == lab.b.number)

            func exchange() throws {
                #expect(try lab.send(talk.fromServer(.synAck), by: lab.b).action == .pass)
                #expect(try lab.deliver(service.fromServer(.synAck), to: lab.a, ingress: lab.b.ifindex).action == .pass)
                #expect(try lab.send(service.fromClient(.ack), by: lab.a).action == .pass)
                #expect(try lab.deliver(talk.fromClient(.ack), to: lab.b, ingress: lab.a.ifindex).action == .pass)
            }
            try exchange()
            lab.datapath.judgeAgain()
            try exchange()
            #expect(try entry().initiator == talk.client)
            #expect(try entry().has(DP_FLOW_ACKED))
            lab.datapath.judgeAgain()
            #expect(try lab.deliver(talk.fromClient(.push), to: lab.b, ingress: lab.a.ifindex).action == .pass)
            #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .pass)
            #expect(try entry().end(of: talk.client).endpoint == 0)

            // Only the pod's own device may bring such packets.
            #expect(
                try lab.deliver(talk.fromClient(.push), to: lab.b, ingress: lab.c.ifindex).action
                    == .drop(DP_DROP_INVALID_SOURCE_IP))
            #expect(
                try lab.deliver(talk.fromClient(.push), to: lab.b).action == .drop(DP_DROP_INVALID_SOURCE_IP))
        }
    }

    @Test(arguments: Family.allCases)
    func `what was translated is judged for both ends`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            let open = TestPolicy(ingress: [:], egress: [0: .allowAll])
            for (policies, reason) in [
                ([lab.a: TestPolicy(egress: [lab.b.classID: .denyAll]), lab.b: .open], DP_DROP_POLICY_DENY),
                ([lab.a: open, lab.b: TestPolicy(ingress: [:])], DP_DROP_POLICY_DENIED),
            ] as [([TestPod: TestPolicy], dp_drop)] {
                try lab.enforce(policies)
                let action = try lab.deliver(talk.opening, to: lab.b, ingress: lab.a.ifindex).action
                #expect(action == .drop(reason))
            }
            try lab.enforce([lab.a: open, lab.b: .open])
            #expect(try lab.deliver(talk.opening, to: lab.b, ingress: lab.a.ifindex).action == .pass)
            #expect(try lab.send(talk.fromServer(.synAck), by: lab.b).action == .pass)
            // Refused later.
            try lab.enforce([lab.b: TestPolicy(ingress: [:])])
            #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(
                try lab.deliver(talk.fromClient(.push), to: lab.b, ingress: lab.a.ifindex).action
                    == .drop(DP_DROP_POLICY_DENIED))
        }
    }

    @Test(arguments: Family.allCases)
    func `a connection ends for a pod whose address another gets`(family: Family) throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, family)
            let (b, c) = (lab.b, lab.c)
            var old = b.endpoint
            var new = c.endpoint
            (old.ipv4, old.ipv6) = (nil, nil)
            (new.ipv4, new.ipv6) = (b.ipv4, b.ipv6)
            let open = TestPolicy.open
            _ = open
            try lab.datapath.setEndpoint(old, view: b.view(policy: 1))
            try lab.datapath.setEndpoint(new, view: c.view(policy: 1))
            var changes = Changeset()
            changes.peers = [b.ipv4, b.ipv6].map { ($0, PeerEntry(identity: c.identity, slot: 0, endpoint: c.number)) }
            changes.judgeAgain = true
            try lab.datapath.apply(changes)

            // The new owner gets nothing of the old one's connection unless it may begin.
            #expect(try lab.send(talk.fromServer(.push), by: b).action == .drop(DP_DROP_INVALID_SOURCE_IP))
            #expect(try lab.send(talk.fromServer(.synAck), by: c).action == .drop(DP_DROP_UNKNOWN_FLOW))
            let out = try lab.send(talk.fromClient(.push), by: lab.a)
            #expect(out.action == .redirect)
            #expect(out.packet?.destinationMAC == c.mac)
            #expect(try lab.onlyFlow().end(of: talk.server).endpoint == c.number)
            #expect(try !lab.onlyFlow().has(DP_FLOW_REPLIED), "begun anew")
        }
    }

    @Test(arguments: Family.allCases)
    func `the flows of an address can be forgotten`(family: Family) throws {
        try Lab.run { lab throws in
            _ = try lab.establish(lab.a, lab.b, family)
            _ = try lab.establish(lab.b, lab.c, family)
            _ = try lab.establish(lab.a, lab.c, family)
            #expect(try lab.datapath.forgetFlows(of: [lab.b.address(family)]) == 2)
            #expect(try lab.flows().count == 1)
            #expect(try lab.datapath.forgetFlows(of: [lab.b.address(family)]) == 0)
        }
    }

    @Test func `a full table evicts, counts it, and lets no unknown connection pass`() throws {
        try Lab.run({ $0.sizes.flows = 32 }) { lab throws in
            try lab.enforce([lab.a: TestPolicy(ingress: [:]), lab.b: TestPolicy(egress: [:])])
            let count = 500
            func ask(_ index: Int) -> Packet {
                .udp(from: lab.a.ipv4, to: lab.b.ipv4, sport: UInt16(10_000 + index), dport: 53)
            }
            for index in 0..<count { #expect(try lab.send(ask(index), by: lab.a).action == .redirect) }
            let live = try lab.flows()
            #expect(live.count <= 32)
            #expect(live.count > 8, "the table is used")
            let report = try lab.datapath.collectFlows(timeouts: FlowTimeouts())
            #expect(report.live == live.count)
            #expect(report.evicted == UInt64(count - live.count))

            let known = Set(live.flatMap(\.key.ends).map(\.port))
            for index in 0..<count {
                let isKnown = known.contains(UInt16(10_000 + index))
                let action = try lab.send(ask(index).reply, by: lab.b).action
                #expect(action == (isKnown ? .redirect : .drop(DP_DROP_POLICY_DENIED)), "\(index)")
            }
            #expect(try lab.flows().count == live.count, "what is refused displaces nothing")
        }
    }

    @Test func `an answer is counted to the flow, and the flow to the rule`() throws {
        try Lab.run { lab throws in
            try lab.enforce([
                lab.a: TestPolicy(egress: [0: PolicyRow(base: .allow(20), ports: [.deny(.tcp, 81, cookie: 22)])]),
                lab.b: TestPolicy(ingress: [0: PolicyRow(base: .allow(21), ports: [.deny(.tcp, 82, cookie: 23)])]),
            ])
            for cookie in 20...23 { try lab.datapath.resetRuleHits(UInt32(cookie)) }
            let made = try lab.packets(at: DP_COUNT_NEW)
            let talk = try lab.establish(lab.a, lab.b, .ipv4)
            #expect(try lab.packets(at: DP_COUNT_NEW) == made + 1)
            #expect(try lab.datapath.ruleHits(UInt32(20)...23) == [20: 1, 21: 1])
            #expect(try lab.onlyFlow().value.cookie == 21)
            for port in [81, 82, 82].map(UInt16.init) {
                let other = Talk(client: talk.client, server: talk.server, dport: port)
                #expect(try lab.send(other.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            }
            #expect(try lab.datapath.ruleHits(UInt32(20)...23) == [20: 1, 21: 1, 22: 1, 23: 2])
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct EventTests {
    /// The next events of a reader that satisfy a condition; fewer if no more come.
    private func take(
        _ count: Int, of reader: EventReader, where condition: (DatapathEvent) -> Bool = { _ in true }
    ) async -> [DatapathEvent] {
        var events: [DatapathEvent] = []
        for await event in reader.events where condition(event) {
            events.append(event)
            if events.count == count { break }
        }
        return events
    }

    private static func now() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    @Test(.timeLimit(.minutes(1)), arguments: Family.allCases)
    func `a refused and an allowed connection are reported with all that is known`(family: Family) async throws {
        let lab = try Lab.borrow()
        let reader = try lab.datapath.makeEventReader()
        let begin = Self.now()
        let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
        let out = Talk(client: lab.a.address(family), server: Peers.wide.address(family), sport: 7, dport: 8)
        let back = Packet.udp(from: Peers.remote.address(family), to: lab.b.address(family), sport: 9, dport: 53)
        let ping = Packet.echoRequest(from: lab.b.address(family), to: lab.a.address(family), id: 77)
        try lab.inside {
            try lab.enforce([
                lab.a: TestPolicy(egress: [0: PolicyRow(base: .allow(11), ports: [.deny(.tcp, 8, cookie: 12)])]),
                lab.b: TestPolicy(ingress: [lab.a.classID: PolicyRow(base: .allow(13), ports: [])]),
            ])
            #expect(try lab.send(talk.opening, by: lab.a).action == .redirect)
            #expect(try lab.send(out.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
            #expect(try lab.deliver(back, to: lab.b).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.send(ping, by: lab.b).action == .redirect)
        }
        let events = await take(4, of: reader)
        try #require(events.count == 4)
        for event in events { #expect((begin...Self.now()).contains(event.time)) }

        let new = events[0]
        #expect(new.kind == .newFlow)
        #expect(new.source == .init(address: talk.client, port: 40_000, identity: lab.a.identity, endpoint: 1))
        #expect(new.destination == .init(address: talk.server, port: 80, identity: lab.b.identity, endpoint: 2))
        #expect(new.protocol == .tcp)
        #expect(new.tcpFlags == 2)
        #expect(new.egressCookie == 11)
        #expect(new.ingressCookie == 13)
        #expect(new.ifindex == lab.a.ifindex)
        #expect(new.fromPod)
        #expect(new.length == UInt32(talk.opening.bytes.count))
        #expect(new.icmp == nil)

        let denied = events[1]
        #expect(denied.kind == .drop(reason: 181, text: "a policy rule denies it"))
        #expect(denied.source == .init(address: out.client, port: 7, identity: lab.a.identity, endpoint: 1))
        #expect(denied.destination == .init(address: out.server, port: 8, identity: Peers.wide.identity, endpoint: 0))
        #expect(denied.egressCookie == 12)
        #expect(denied.ingressCookie == 0)
        #expect(!denied.refusedByIngress)
        #expect(denied.fromPod)

        let refused = events[2]
        #expect(refused.kind == .drop(reason: 133, text: "no policy rule allows it"))
        #expect(
            refused.source
                == .init(address: Peers.remote.address(family), port: 9, identity: Peers.remote.identity, endpoint: 0))
        #expect(
            refused.destination
                == .init(address: lab.b.address(family), port: 53, identity: lab.b.identity, endpoint: 2))
        #expect(refused.protocol == .udp)
        #expect(refused.refusedByIngress)
        #expect(!refused.fromPod)
        #expect(refused.ifindex == lab.b.ifindex)

        let pinged = events[3]
        #expect(pinged.kind == .newFlow)
        #expect(pinged.protocol == family.icmp)
        #expect(pinged.icmp?.type == family.echoRequest)
        #expect(pinged.icmp?.code == 0)
        reader.stop()
        lab.giveBack()
    }

    @Test(.timeLimit(.minutes(1)))
    func `established packets and expected chatter are not reported`() async throws {
        let lab = try Lab.borrow()
        let reader = try lab.datapath.makeEventReader()
        try lab.inside {
            let talk = try lab.establish(lab.a, lab.b, .ipv6)
            for _ in 0..<10 { _ = try lab.send(talk.fromServer(.push), by: lab.b) }
            lab.datapath.judgeAgain()
            _ = try lab.send(talk.fromServer(.push), by: lab.b)
            _ = try lab.sendFrame(
                Packet.neighbourSolicitation(from: lab.a.ipv6, mac: lab.a.mac, target: lab.b.ipv6).bytes,
                on: lab.a.ifindex)
            // Of no connection that was let begin: nothing new.
            _ = try lab.send(.udp(from: lab.a.ipv4, to: lab.b.ipv4, sport: 1, dport: 2), by: lab.a)
        }
        let events = await take(2, of: reader)
        #expect(events.map(\.protocol) == [.tcp, .udp])
        #expect(events.map(\.kind) == [.newFlow, .newFlow])
        reader.stop()
        lab.giveBack()
    }

    @Test(.timeLimit(.minutes(1)))
    func `a stray end of a connection is no new connection`() async throws {
        let lab = try Lab.borrow()
        let reader = try lab.datapath.makeEventReader()
        try lab.inside {
            let talk = Talk(client: lab.a.ipv4, server: lab.b.ipv4)
            #expect(try lab.send(talk.fromClient(.rst), by: lab.a).action == .redirect)
            _ = try lab.send(.udp(from: lab.a.ipv4, to: lab.b.ipv4, sport: 1, dport: 2), by: lab.a)
        }
        #expect(await take(1, of: reader).map(\.protocol) == [.udp])
        reader.stop()
        lab.giveBack()
    }

    @Test(.timeLimit(.minutes(1)))
    func `drops of packets that were not understood are reported as far as they were`() async throws {
        let lab = try Lab.borrow()
        let reader = try lab.datapath.makeEventReader()
        try lab.inside {
            _ = try lab.send(
                .ip(from: lab.a.ipv4, to: lab.b.ipv4, protocol: 47, payload: [UInt8](repeating: 8, count: 16)),
                by: lab.a)
            _ = try lab.send(Talk(client: lab.b.ipv4, server: lab.c.ipv4).opening, by: lab.a)
            _ = try lab.sendFrame(Packet.arp(from: lab.a.ipv4, mac: lab.a.mac, to: lab.b.ipv4).bytes, on: lab.a.ifindex)
        }
        let events = await take(3, of: reader)
        try #require(events.count == 3)
        #expect(events[0].kind == .drop(reason: 137, text: "unknown transport protocol"))
        #expect(events[0].source.address == lab.a.ipv4)
        #expect(events[0].protocol.rawValue == 47)
        #expect(events[1].kind == .drop(reason: 132, text: "source address is not the endpoint's"))
        #expect(events[1].source.address == lab.b.ipv4)
        #expect(events[1].source.identity == 0, "nobody's identity is taken for it")
        #expect(events[2].kind == .drop(reason: 139, text: "unsupported network protocol"))
        reader.stop()
        lab.giveBack()
    }

    @Test func `more events than the rate allows are counted, not told`() throws {
        try Lab.run({ $0.eventsPerSecond = 5 }) { lab throws in
            var ring = try RingBuffer(lab.datapath.shared.events.duplicate())
            let count = 400
            var told = 0
            var ticks: Set<UInt32> = [try lab.datapath.clock.tick()]
            for index in 0..<count {
                let packet = Packet.udp(from: lab.a.ipv4, to: lab.b.ipv4, sport: UInt16(1_000 + index), dport: 9)
                #expect(try lab.send(packet, by: lab.a).action == .redirect)
                ticks.insert(try lab.datapath.clock.tick())
            }
            try ring.consume(as: dp_event.self) { _ in told += 1 }
            #expect(told >= 5)
            // A budget for each tick and CPU.
            #expect(told <= 5 * ticks.count * Processors.possible)
            #expect(try lab.packets(at: DP_COUNT_EVENT_LIMITED) == UInt64(count - told))
            #expect(try lab.datapath.counters().eventsLimited == UInt64(count - told))
        }
    }

    @Test func `a full ring buffer loses events and counts them`() throws {
        try Lab.run { lab throws in
            // Nobody reads: 1 MB holds about 11,900 records of 80 bytes and a header.
            try lab.enforce([lab.a: .closed])
            let syn = Talk(client: lab.a.ipv4, server: lab.b.ipv4).opening.sent(by: lab.a).bytes
            let context = SkbContext(ifindex: lab.a.ifindex, ingressIfindex: lab.a.ifindex)
            let before = try lab.packets(at: DP_COUNT_EVENT_LOST)
            _ = try lab.datapath.fromEndpoint.testRun(syn, context: context, repetitions: 15_000)
            var told = 0
            var ring = try RingBuffer(lab.datapath.shared.events.duplicate())
            try ring.consume(as: dp_event.self) { _ in told += 1 }
            let lost = try lab.packets(at: DP_COUNT_EVENT_LOST) - before
            #expect(lost > 0)
            #expect(UInt64(told) + lost == 15_000)
        }
    }

    @Test(arguments: [(true, false), (false, true), (false, false)])
    func `the settings choose what is reported`(drops: Bool, new: Bool) throws {
        let change: (inout DatapathConfiguration) -> Void = {
            $0.reportsDrops = drops
            $0.reportsNewFlows = new
        }
        try Lab.run(change) { lab throws in
            try lab.enforce([lab.b: .closed])
            _ = try lab.send(Talk(client: lab.a.ipv4, server: lab.b.ipv4).opening, by: lab.a)
            _ = try lab.send(Talk(client: lab.a.ipv4, server: lab.c.ipv4).opening, by: lab.a)
            var ring = try RingBuffer(lab.datapath.shared.events.duplicate())
            var types: [UInt8] = []
            try ring.consume(as: dp_event.self) { types.append($0.type) }
            #expect(types == (drops ? [DP_EVENT_DROP.rawValue] : []) + (new ? [DP_EVENT_NEW.rawValue] : []))
        }
    }
}

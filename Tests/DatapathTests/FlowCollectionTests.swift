// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import PolicyEngine
import Synchronization
import TestSupport
import Testing

@testable import Datapath

/// A connection in a state that has a time limit of its own.
struct IdleCase: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let limit: any WritableKeyPath<FlowTimeouts, Double> & Sendable
    /// Packets, and whether the client (pod 1) sends them; the others are sent by pod 2.
    let packets: @Sendable (Talk) -> [(Packet, Bool)]

    init(
        _ name: String, _ limit: any WritableKeyPath<FlowTimeouts, Double> & Sendable,
        _ packets: @escaping @Sendable (Talk) -> [(Packet, Bool)]
    ) {
        testDescription = name
        self.limit = limit
        self.packets = packets
    }

    private static func opened(_ talk: Talk) -> [(Packet, Bool)] {
        [(talk.opening, true), (talk.fromServer(.synAck), false), (talk.fromClient(.ack), true)]
    }

    private static func sctp(_ talk: Talk, _ chunks: [(SCTPHeader.Chunk, Bool)]) -> [(Packet, Bool)] {
        chunks.map { chunk, isClient in
            let ask = Packet.sctp(from: talk.client, to: talk.server, sport: 9, dport: 80, chunks: [chunk])
            return (isClient ? ask : ask.reply, isClient)
        }
    }

    static let all: [IdleCase] = [
        IdleCase("a SYN", \.tcpOpening) { [($0.opening, true)] },
        IdleCase("a SYN and its answer", \.tcpOpening) { Array(opened($0).prefix(2)) },
        IdleCase("an established connection", \.tcpEstablished) { opened($0) },
        IdleCase("one end has closed", \.tcpEstablished) { opened($0) + [($0.fromClient(.finAck), true)] },
        IdleCase("both ends have closed", \.tcpClosing) {
            opened($0) + [($0.fromClient(.finAck), true), ($0.fromServer(.finAck), false)]
        },
        IdleCase("reset", \.tcpClosing) { opened($0) + [($0.fromServer(.rst), false)] },
        IdleCase("UDP without an answer", \.udp) {
            [(.udp(from: $0.client, to: $0.server, sport: 5, dport: 53), true)]
        },
        IdleCase("UDP with an answer", \.udpReplied) {
            let ask = Packet.udp(from: $0.client, to: $0.server, sport: 5, dport: 53)
            return [(ask, true), (ask.reply, false)]
        },
        IdleCase("a ping", \.icmp) { [(.echoRequest(from: $0.client, to: $0.server, id: 5), true)] },
        IdleCase("a ping and its answer", \.icmp) {
            let ask = Packet.echoRequest(from: $0.client, to: $0.server, id: 5)
            return [(ask, true), (ask.reply, false)]
        },
        IdleCase("an SCTP association that is not up", \.tcpOpening) {
            sctp($0, [(.initiation, true), (.initiationAcknowledgement, false)])
        },
        IdleCase("an SCTP association", \.sctp) {
            sctp($0, [(.initiation, true), (.initiationAcknowledgement, false), (.cookieEcho, true)])
        },
        IdleCase("an SCTP association that is shut down", \.tcpClosing) {
            sctp(
                $0,
                [
                    (.initiation, true), (.initiationAcknowledgement, false), (.cookieEcho, true), (.shutdown, true),
                    (.shutdownAcknowledgement, false),
                ])
        },
        IdleCase("an SCTP association that is aborted", \.tcpClosing) {
            sctp($0, [(.initiation, true), (.initiationAcknowledgement, false), (.abort, true)])
        },
    ]
}

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct FlowCollectionTests {
    /// All different, and far apart.
    private static let timeouts: FlowTimeouts = {
        var timeouts = FlowTimeouts()
        timeouts.tcpEstablished = 9_000
        timeouts.sctp = 7_000
        timeouts.udpReplied = 500
        timeouts.tcpOpening = 400
        timeouts.udp = 300
        timeouts.icmp = 200
        timeouts.tcpClosing = 100
        return timeouts
    }()

    /// Sets when every entry had its last packet, in ticks before now.
    private func age(_ lab: Lab, ticks: UInt32) throws {
        let now = try lab.datapath.clock.tick()
        for (key, value) in try lab.datapath.shared.flows.entries() {
            var value = value
            value.last_seen = now &- ticks
            try lab.datapath.shared.flows.update(key, value, .exist)
        }
    }

    @Test(arguments: IdleCase.all, Family.allCases)
    func `an idle connection is kept as long as its state says`(idle: IdleCase, family: Family) throws {
        try Lab.run { lab throws in
            let talk = Talk(client: lab.a.address(family), server: lab.b.address(family))
            for (packet, isClient) in idle.packets(talk) {
                #expect(try lab.send(packet, by: isClient ? lab.a : lab.b).action == .redirect)
            }
            let limit = lab.datapath.clock.ticks(seconds: Self.timeouts[keyPath: idle.limit])
            // The clock may go on by a tick in between.
            try age(lab, ticks: limit - 2)
            var report = try lab.datapath.collectFlows(timeouts: Self.timeouts)
            #expect(report == FlowReport(live: 1, removed: 0))
            try age(lab, ticks: limit + 1)
            report = try lab.datapath.collectFlows(timeouts: Self.timeouts)
            #expect(report == FlowReport(live: 0, removed: 1))
            #expect(try lab.flows().isEmpty)
        }
    }

    @Test func `a packet makes an idle connection fresh`() throws {
        try Lab.run { lab throws in
            let talk = try lab.establish(lab.a, lab.b, .ipv4)
            try age(lab, ticks: 5_000)
            #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect)
            let idle = try lab.datapath.clock.tick() &- lab.onlyFlow().value.last_seen
            #expect(idle <= 1)
            var timeouts = Self.timeouts
            timeouts.tcpEstablished = 1_000
            #expect(try lab.datapath.collectFlows(timeouts: timeouts).removed == 0)
        }
    }

    @Test func `a tick that is later than the sweep's is no age`() throws {
        try Lab.run { lab throws in
            _ = try lab.establish(lab.a, lab.b, .ipv4)
            try age(lab, ticks: UInt32(bitPattern: -3))
            #expect(try lab.datapath.collectFlows(timeouts: FlowTimeouts()).removed == 0)
        }
    }

    @Test func `the clock counts seconds`() throws {
        try Lab.run { lab throws in
            let clock = lab.datapath.clock.secondsPerTick
            #expect(clock >= 1)
            #expect(clock < 2)
            #expect([100, 250, 300, 1000].contains(lab.datapath.clock.jiffiesPerSecond))
            #expect(lab.datapath.clock.ticks(seconds: 0) == 1)
            #expect(abs(Double(lab.datapath.clock.ticks(seconds: 100)) * clock - 100) < 3)
        }
    }

    @Test func `a connection that wakes up during the sweep stays`() throws {
        try Lab.run { lab throws in
            // All in one chunk, so that all were read before the first is deleted.
            let count = 3_000
            let now = try lab.datapath.clock.tick()
            var idle = flow()
            idle.last_seen = now &- 50_000
            var awake = flow()
            awake.last_seen = now
            for index in 0..<count {
                var key = flow_key()
                key.addr.0 = dp_addr(lab.a.ipv4)
                key.addr.1 = dp_addr(lab.b.ipv4)
                key.port = (UInt16(index).bigEndian, 80)
                key.protocol = 17
                try lab.datapath.shared.flows.update(key, idle)
            }
            var order: [flow_key] = []
            var scan = MapScan<flow_key, flow>(chunk: 4_096)
            while try scan.next(lab.datapath.shared.flows) {
                for index in 0..<scan.count { order.append(scan.key(index)) }
            }
            try #require(order.count == count)
            let waker = try Waker(
                path: lab.datapath.paths.shared("flows"), when: order[0], wakes: order[count - 1], with: awake)
            let report = try lab.datapath.collectFlows(timeouts: FlowTimeouts())
            #expect(waker.hasWoken)
            #expect(report.removed == count - 1)
            #expect(try lab.flows().map(\.key.port.0) == [order[count - 1].port.0])
        }
    }
}

/// Waits for one entry to go and then touches another.
private final class Waker: Sendable {
    private let woken = Atomic<Bool>(false)
    private let ready = Atomic<Bool>(false)

    init(path: String, when gone: flow_key, wakes key: flow_key, with value: flow) throws {
        let (goneBytes, keyBytes, valueBytes) = (gone, key, value)
        try WorkerThread.start("waker") { [self] in
            guard let flows = try? BPFMap<flow_key, flow>(pinned: path) else { return }
            ready.store(true, ordering: .releasing)
            let found = try? eventually(timeout: .seconds(20), every: .zero) {
                try flows.lookup(goneBytes)?.last_seen == nil
            }
            guard found == true, (try? flows.update(keyBytes, valueBytes, .exist)) != nil else { return }
            woken.store(true, ordering: .releasing)
        }
        _ = eventually { ready.load(ordering: .acquiring) }
    }

    var hasWoken: Bool { woken.load(ordering: .acquiring) }
}

extension FlowReport {
    fileprivate init(live: Int, removed: Int) {
        self.init()
        self.live = live
        self.removed = removed
    }
}

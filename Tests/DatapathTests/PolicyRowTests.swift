// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct PolicyRowTests {
    private static let cookies = 100

    /// A row as the compiler makes them: disjoint, sorted, and not more than that.
    private func randomRow(_ random: inout SplitMix64, entries: Int) -> PolicyRow {
        func verdict() -> RowVerdict {
            let cookie = UInt32.random(in: 1...UInt32(Self.cookies), using: &random)
            return random.oneIn(2) ? .allow(cookie) : .deny(cookie)
        }
        let base = [RowVerdict.defaultDeny, verdict()][Int.random(in: 0...1, using: &random)]
        var ports: [PortVerdict] = []
        for number in [UInt8(1), 6, 17, 58, 132] {
            let count = number == 1 || number == 58 ? min(2, entries) : entries
            var cuts: Set<UInt16> = []
            while cuts.count < 2 * count {
                // Borders where blocks begin, and anywhere.
                let port = UInt16.random(in: 0...UInt16.max, using: &random)
                cuts.insert(random.oneIn(3) ? port & (UInt16.max << UInt16.random(in: 0...15, using: &random)) : port)
            }
            let sorted = cuts.sorted()
            for index in 0..<count where random.oneIn(2) || entries > 4 {
                guard let range = PortRange(first: sorted[2 * index], last: sorted[2 * index + 1]) else { continue }
                ports.append(PortVerdict(protocol: number, ports: range, verdict: verdict()))
            }
        }
        return PolicyRow(base: base, ports: ports)
    }

    /// The borders of every range, their neighbours, and some ports between.
    private func probes(_ row: PolicyRow, _ random: inout SplitMix64) -> [(UInt8, UInt16)] {
        var probes: [(UInt8, UInt16)] = []
        for number in [UInt8(6), 17, 132] {
            var ports: Set<UInt16> = [1, .max]
            for entry in row.ports where entry.protocol == number {
                for port in [entry.ports.first, entry.ports.last] {
                    ports.formUnion([port, port &- 1, port &+ 1])
                }
            }
            for _ in 0..<4 { ports.insert(UInt16.random(in: 1...UInt16.max, using: &random)) }
            ports.remove(0)
            probes += ports.sorted().map { (number, $0) }
        }
        return probes + [(1, 8), (58, 128)]
    }

    private func packet(_ lab: Lab, _ number: UInt8, _ port: UInt16) -> Packet {
        let (a, b) = (lab.a.ipv4, Peers.remote.ipv4Address)
        switch number {
        case 6: return .tcp(from: a, to: b, sport: 7, dport: port)
        case 17: return .udp(from: a, to: b, sport: 7, dport: port)
        case 132: return .sctp(from: a, to: b, sport: 7, dport: port)
        case 1: return .echoRequest(from: a, to: b, id: 7)
        default: return .echoRequest(from: lab.a.ipv6, to: Peers.remote.ipv6Address, id: 7)
        }
    }

    /// Few entries lie in the row itself, many in a table.
    @Test(arguments: [0, 1, 2, 4, 5, 12, 40])
    func `the kernel reads a row as the compiler means it`(entries: Int) throws {
        let seed = UInt64(9_000 + entries)
        var random = SplitMix64(seed: seed)
        try Lab.run { lab throws in
            for round in 0..<(entries > 5 ? 6 : 25) {
                let row = randomRow(&random, entries: entries)
                try lab.enforce([lab.a: TestPolicy(egress: [Peers.remote.classID(.ipv4): row])])
                try lab.forgetFlows()
                for cookie in 1...Self.cookies { try lab.datapath.resetRuleHits(UInt32(cookie)) }
                var hits: [UInt32: UInt64] = [:]
                for (number, port) in probes(row, &random) {
                    let expected = row.verdict(protocol: number, port: port)
                    let action = try lab.send(packet(lab, number, port), by: lab.a).action
                    let wanted: Action =
                        switch expected.verdict {
                        case .allow: .pass
                        case .deny: .drop(DP_DROP_POLICY_DENY)
                        case .defaultDeny: .drop(DP_DROP_POLICY_DENIED)
                        }
                    #expect(action == wanted, "seed \(seed), round \(round): protocol \(number), port \(port), \(row)")
                    if expected.cookie > 0 { hits[expected.cookie, default: 0] += 1 }
                }
                #expect(try lab.datapath.ruleHits((1...UInt32(Self.cookies))) == hits, "seed \(seed), round \(round)")
            }
        }
    }

    @Test func `a row of another class, direction or policy says nothing`() throws {
        try Lab.run { lab throws in
            let classID = Peers.remote.classID(.ipv4)
            let out = Talk(client: lab.a.ipv4, server: Peers.remote.ipv4Address)
            let back = Talk(client: Peers.remote.ipv4Address, server: lab.a.ipv4, sport: 9)
            try lab.enforce([lab.a: TestPolicy(ingress: [:], egress: [classID: .allowAll])])
            #expect(try lab.send(out.opening, by: lab.a).action == .pass)
            #expect(try lab.deliver(back.opening, to: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            try lab.enforce([lab.a: TestPolicy(ingress: [classID: .allowAll], egress: [classID + 1: .allowAll])])
            #expect(try lab.send(out.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENIED))
            #expect(try lab.deliver(back.opening, to: lab.a).action == .pass)
        }
    }

    @Test func `a class with a row of its own does not ask the row for everybody`() throws {
        try Lab.run { lab throws in
            let classID = Peers.remote.classID(.ipv4)
            try lab.enforce([lab.a: TestPolicy(egress: [0: .allowAll, classID: .only(.allow(.tcp, 80))])])
            func action(_ peer: TestPeer, _ port: UInt16) throws -> Action {
                try lab.send(Talk(client: lab.a.ipv4, server: peer.ipv4Address, dport: port).opening, by: lab.a).action
            }
            #expect(try action(Peers.remote, 80) == .pass)
            #expect(try action(Peers.remote, 81) == .drop(DP_DROP_POLICY_DENIED))
            #expect(try action(Peers.stranger, 81) == .pass)
        }
    }

    @Test func `port ranges are cut into the fewest blocks, and all of them`() {
        #expect(EncodedRow.prefixes(.all).map(\.bits) == [0])
        #expect(EncodedRow.prefixes(PortRange(80)).map(\.bits) == [16])
        var random = SplitMix64(seed: 5)
        for _ in 0..<300 {
            let ends = [UInt16.random(in: 0...UInt16.max, using: &random), .random(in: 0...UInt16.max, using: &random)]
                .sorted()
            guard let range = PortRange(first: ends[0], last: ends[1]) else { continue }
            let blocks = EncodedRow.prefixes(range)
            var next = UInt32(range.first)
            for (first, bits) in blocks {
                let size = UInt32(1) << UInt32(16 - bits)
                #expect(UInt32(first) == next)
                #expect(UInt32(first) % size == 0)
                next += size
            }
            #expect(next == UInt32(range.last) + 1)
            #expect(blocks.count <= 30)
        }
    }

    @Test func `what is not enforced is not looked up`() throws {
        try Lab.run { lab throws in
            // Rows of a direction that is not enforced must not refuse anything.
            var changes = Changeset()
            changes.addedRows = [(PolicyRowKey(policy: 50, classID: 0, direction: .egress), .denyAll)]
            changes.views = [(lab.a.number, lab.a.view(policy: 50))]
            try lab.datapath.apply(changes)
            let talk = Talk(client: lab.a.ipv4, server: Peers.remote.ipv4Address)
            #expect(try lab.send(talk.opening, by: lab.a).action == .pass)
            changes.addedRows = []
            changes.views = [(lab.a.number, lab.a.view(policy: 50, egress: true))]
            try lab.datapath.apply(changes)
            #expect(try lab.send(talk.opening, by: lab.a).action == .drop(DP_DROP_POLICY_DENY))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import NetTypes
import TestSupport
import Testing

@testable import Datapath

/// What a full connection table displaces.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct EvictionTests {
    /// A datagram that begins a connection of its own for each number.
    private func ask(_ lab: Lab, _ number: Int) -> Packet {
        .udp(from: lab.a.ipv4, to: lab.b.ipv4, sport: UInt16(10_000 + number), dport: 53)
    }

    private func fill(_ lab: Lab, _ numbers: Range<Int>) throws {
        for number in numbers { #expect(try lab.send(ask(lab, number), by: lab.a).action == .redirect, "\(number)") }
    }

    /// Makes it seem that nothing was heard of this one for so long.
    private func age(_ lab: Lab, _ packet: Packet, ticks: UInt32) throws {
        let entry = try #require(try lab.flow(of: packet))
        var older = entry.value
        older.last_seen &-= ticks
        try lab.datapath.shared.flows.update(entry.key, older, .exist)
    }

    private func evicted(_ lab: Lab) throws -> UInt64 { try lab.packets(at: DP_COUNT_EVICTED) }

    @Test func `a conversation outlives a flood of what nobody answers`() throws {
        try Lab.run({ $0.sizes.flows = 128 }) { lab throws in
            let talk = try lab.establish(lab.a, lab.b, .ipv4)
            try lab.enforce([lab.a: TestPolicy(ingress: [:])])
            let before = try evicted(lab)
            try fill(lab, 0..<2_000)
            #expect(try evicted(lab) == before + 2_000 + 1 - 128)
            #expect(try lab.flows().count == 128, "all room is used")
            #expect(try lab.flow(of: talk.opening)?.has(DP_FLOW_ACKED) == true)
            #expect(try lab.send(talk.fromServer(.push), by: lab.b).action == .redirect)
        }
    }

    @Test func `what is refused at a closed port is no conversation`() throws {
        try Lab.run({ $0.sizes.flows = 128 }) { lab throws in
            let talk = try lab.establish(lab.a, lab.b, .ipv4)
            // Idler than all of the flood, and answered like it.
            try age(lab, talk.opening, ticks: 5)
            for number in 0..<1_000 {
                let port = UInt16(20_000 + number)
                let knock = Talk(client: lab.a.ipv4, server: lab.b.ipv4, sport: port, dport: 81)
                #expect(try lab.send(knock.opening, by: lab.a).action == .redirect)
                #expect(try lab.send(knock.fromServer([.rst, .ack]), by: lab.b).action == .redirect)
            }
            #expect(try lab.flow(of: talk.opening)?.has(DP_FLOW_ACKED) == true)
            #expect(try lab.flows().count == 128)
        }
    }

    /// A sweep of a table that is more than half full lets the clock find everybody again.
    @Test func `a ring that has forgotten everybody is written anew by a sweep`() throws {
        try Lab.run({ $0.sizes.flows = 1_024 }) { lab throws in
            try fill(lab, 0..<600)
            for place in 0..<1_024 { try lab.datapath.shared.flowRing.update(UInt32(place), flow_key()) }
            #expect(try lab.datapath.collectFlows(timeouts: FlowTimeouts()).live == 600)
            let before = try evicted(lab)
            try fill(lab, 600..<2_000)
            #expect(try evicted(lab) == before + 2_000 - 1_024)
        }
    }

    /// Eight entries are all that is looked at.
    @Test(arguments: 0..<8)
    func `the idlest goes`(number: Int) throws {
        try Lab.run({ $0.sizes.flows = 8 }) { lab throws in
            try fill(lab, 0..<8)
            try age(lab, ask(lab, number), ticks: 3)
            try age(lab, ask(lab, (number + 3) % 8), ticks: 2)
            try fill(lab, 8..<9)
            #expect(try lab.flow(of: ask(lab, number)) == nil)
            for other in 0...8 where other != number { #expect(try lab.flow(of: ask(lab, other)) != nil, "\(other)") }
            // Its place in the ring is the newcomer's: nobody is lost for the next.
            try age(lab, ask(lab, 8), ticks: 4)
            try fill(lab, 9..<10)
            #expect(try lab.flow(of: ask(lab, 8)) == nil)
        }
    }

    @Test func `an entry whose clock is ahead of the reader's is not the idlest`() throws {
        try Lab.run({ $0.sizes.flows = 8 }) { lab throws in
            try fill(lab, 0..<8)
            try age(lab, ask(lab, 5), ticks: UInt32(bitPattern: -2))
            try age(lab, ask(lab, 6), ticks: 1)
            try fill(lab, 8..<9)
            #expect(try lab.flow(of: ask(lab, 5)) != nil)
            #expect(try lab.flow(of: ask(lab, 6)) == nil)
        }
    }

    /// While there is room the ring forgets who lives; then the hand has to go on until it finds somebody.
    @Test func `what the ring has forgotten does not keep others out`() throws {
        try Lab.run({ $0.sizes.flows = 64 }) { lab throws in
            try fill(lab, 0..<40)
            // Each of these goes at once, and leaves its key in the ring.
            for number in 100..<160 {
                try fill(lab, number..<number + 1)
                let entry = try #require(try lab.flow(of: ask(lab, number)))
                #expect(try lab.datapath.shared.flows.delete(entry.key))
            }
            try fill(lab, 40..<64)
            #expect(try lab.flows().count == 64)
            let before = try evicted(lab)
            try fill(lab, 64..<200)
            #expect(try evicted(lab) == before + 136)
            #expect(try lab.flows().count == 64)
        }
    }

    @Test(arguments: [true, false])
    func `connections that a restart brought over are found when the table is full`(isSmaller: Bool) throws {
        try Lab.run({ $0.sizes.flows = 32 }) { lab throws in
            try fill(lab, 0..<20)
            if !isSmaller { try BPFPin.remove(lab.datapath.paths.shared("flow_ring")) }
            try lab.restart { $0.sizes.flows = isSmaller ? 20 : 32 }
            #expect(try lab.flows().count == 20)
            let before = try evicted(lab)
            try fill(lab, 20..<60)
            #expect(try evicted(lab) == before + (isSmaller ? 40 : 28))
            for number in 0..<20 { #expect(try lab.flow(of: ask(lab, number)) == nil, "\(number)") }
        }
    }

    /// Under three quarters the timeouts are what they are told to be.
    @Test(arguments: [(24, false), (32, true)])
    func `a table that fills collects sooner`(entries: Int, sooner: Bool) throws {
        try Lab.run({ $0.sizes.flows = 32 }) { lab throws in
            try fill(lab, 0..<entries)
            var timeouts = FlowTimeouts()
            timeouts.udp = 160
            for number in 0..<entries { try age(lab, ask(lab, number), ticks: lab.datapath.clock.ticks(seconds: 20)) }
            #expect(try lab.datapath.collectFlows(timeouts: timeouts).removed == 0, "how full it is isn't known yet")
            #expect(try lab.datapath.collectFlows(timeouts: timeouts).removed == (sooner ? entries : 0))
        }
    }

    @Test func `timeouts shrink from three quarters on, down to a sixteenth`() {
        let cases: [(live: Int, hurry: Double)] = [(0, 1), (750, 1), (875, 32.0 / 17), (1_000, 16), (1_200, 16)]
        for (live, hurry) in cases { #expect(abs(FlowLimits.hurry(live, of: 1_000) - hurry) < 1e-9, "\(live)") }
    }

    @Test func `a lost epoch begins where no connection was judged`() throws {
        try Lab.run { lab throws in
            for _ in 0..<3 { lab.datapath.judgeAgain() }
            _ = try lab.establish(lab.a, lab.b, .ipv4)
            let judged = try lab.onlyFlow().value.epoch
            try BPFPin.remove(lab.datapath.paths.shared("state"))
            try lab.restart()
            #expect(lab.datapath.epoch > judged)
            #expect(lab.datapath.epoch & 1 == 0, "the first view is live")
        }
    }
}

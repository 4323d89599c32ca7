// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import TestSupport
import Testing

@testable import Datapath

@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct DenyListTests {
    private static let device = "uplink"
    private static let drop: Int32 = 1
    private static let pass: Int32 = 2

    private func program(_ lab: Lab) throws -> BPFProgram {
        try BPFProgram(id: BPFLink(pinned: lab.datapath.paths.links + "/xdp-\(Self.device)").info().programID)
    }

    private func verdict(_ lab: Lab, _ packet: Packet) throws -> Int32 {
        try program(lab).testRun(packet.bytes).verdict
    }

    private func verdict(_ lab: Lab, from source: String) throws -> Int32 {
        let isIPv4 = address(source).isIPv4
        return try verdict(
            lab, .udp(from: address(source), to: address(isIPv4 ? "10.1.0.1" : "fd00:1::1"), sport: 1, dport: 2))
    }

    private func set(_ lab: Lab, _ lists: [(String, [String])]) throws {
        try lab.datapath.setDenyLists(
            lists.map { DenyList(name: $0, prefixes: $1.map { prefix($0) }) }, device: Self.device)
    }

    @Test func `sources of a list are dropped, others not`() throws {
        try Lab.run { lab throws in
            try set(lab, [("bad", ["192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "fd00:9::7/128"])])
            for source in ["192.0.2.0", "192.0.2.255", "198.51.100.7", "2001:db8::1", "2001:db8:ffff::", "fd00:9::7"] {
                #expect(try verdict(lab, from: source) == Self.drop, "\(source)")
            }
            for source in ["192.0.3.0", "192.0.1.255", "198.51.100.6", "2001:db9::", "fd00:9::8", "10.0.0.1", "::1"] {
                #expect(try verdict(lab, from: source) == Self.pass, "\(source)")
            }
        }
    }

    @Test(arguments: [[7], [7, 8]] as [[UInt16]])
    func `a tag is no way around`(tags: [UInt16]) throws {
        try Lab.run { lab throws in
            try set(lab, [("bad", ["192.0.2.0/24", "2001:db8::/32"])])
            for source in ["192.0.2.1", "2001:db8::1"] {
                let target = address(address(source).isIPv4 ? "10.1.0.1" : "fd00:1::1")
                let packet = Packet.udp(from: address(source), to: target, sport: 1, dport: 2).with {
                    $0.vlanTags = tags
                }
                #expect(try verdict(lab, packet) == Self.drop)
                #expect(try verdict(lab, packet.withIP { $0.source = target }) == Self.pass)
            }
        }
    }

    @Test func `what has no source address passes to the stack`() throws {
        try Lab.run { lab throws in
            try set(lab, [("all", ["0.0.0.0/0", "::/0"])])
            #expect(
                try verdict(
                    lab, .arp(from: address("192.0.2.1"), mac: mac("02:00:00:00:00:01"), to: address("10.1.0.1")))
                    == Self.pass)
            let packet = Packet.udp(from: address("192.0.2.1"), to: address("10.1.0.1"), sport: 1, dport: 2)
            for count in 14..<34 { #expect(try verdict(lab, packet.truncated(to: count)) == Self.pass, "\(count)") }
            #expect(try verdict(lab, packet.truncated(to: 34)) == Self.drop)
            let sixth = Packet.udp(from: address("2001:db8::1"), to: address("fd00:1::1"), sport: 1, dport: 2)
            for count in 14..<54 { #expect(try verdict(lab, sixth.truncated(to: count)) == Self.pass, "\(count)") }
            for count in 14..<58 {
                #expect(try verdict(lab, sixth.vlan(5).truncated(to: count)) == Self.pass, "\(count)")
            }
            #expect(try verdict(lab, sixth.vlan(5).truncated(to: 58)) == Self.drop)
        }
    }

    @Test func `the longest prefix counts, and each list its own`() throws {
        try Lab.run { lab throws in
            try set(
                lab, [("wide", ["192.0.2.0/24", "2001:db8::/32"]), ("narrow", ["192.0.2.128/25", "2001:db8:1::/48"])])
            for _ in 0..<3 { _ = try verdict(lab, from: "192.0.2.1") }
            for _ in 0..<4 { _ = try verdict(lab, from: "192.0.2.200") }
            _ = try verdict(lab, from: "2001:db8:1::1")
            _ = try verdict(lab, from: "10.0.0.1")
            let usage = try #require(try lab.datapath.denyListUsage())
            #expect(usage.device == Self.device)
            #expect(usage.lists.map(\.name) == ["wide", "narrow"])
            #expect(usage.lists.map(\.prefixes) == [2, 2])
            #expect(usage.lists.map(\.dropped.packets) == [3, 5])
            let size = UInt64(
                Packet.udp(from: address("192.0.2.1"), to: address("10.1.0.1"), sport: 1, dport: 2).bytes.count)
            #expect(usage.lists[0].dropped.bytes == 3 * size)
        }
    }

    @Test func `a prefix of IPv6 means no IPv4 source`() throws {
        try Lab.run { lab throws in
            for short in ["::/0", "::/8", "::/64", "::/80", "::/90"] {
                try set(lab, [("six", [short])])
                #expect(try verdict(lab, from: "192.0.2.1") == Self.pass, "\(short)")
                #expect(try verdict(lab, from: "0.0.0.0") == Self.pass, "\(short)")
                #expect(try verdict(lab, from: "255.255.255.255") == Self.pass, "\(short)")
                #expect(try verdict(lab, from: "::5") == Self.drop, "\(short)")
            }
            // A list that means both does.
            try set(lab, [("six", ["::/0"]), ("four", ["0.0.0.0/0"])])
            #expect(try verdict(lab, from: "192.0.2.1") == Self.drop)
            try set(lab, [("six", ["::/0"]), ("four", ["192.0.2.0/24"])])
            #expect(try verdict(lab, from: "192.0.2.1") == Self.drop)
            #expect(try verdict(lab, from: "192.0.3.1") == Self.pass)
        }
    }

    @Test func `lists are changed in place`() throws {
        try Lab.run { lab throws in
            try set(lab, [("one", ["192.0.2.0/24", "198.51.100.0/24"]), ("two", ["2001:db8::/32"])])
            _ = try verdict(lab, from: "192.0.2.1")
            try set(lab, [("one", ["192.0.2.0/24"]), ("two", ["2001:db8::/32", "203.0.113.0/24"])])
            #expect(try verdict(lab, from: "192.0.2.1") == Self.drop)
            #expect(try verdict(lab, from: "198.51.100.1") == Self.pass)
            #expect(try verdict(lab, from: "203.0.113.1") == Self.drop)
            #expect(try lab.datapath.denyListUsage()?.lists[0].dropped.packets == 2, "counts go on")
            // A prefix of both belongs to the first; a list keeps its count wherever it stands.
            try set(lab, [("two", ["192.0.2.0/24"]), ("one", ["192.0.2.0/24"])])
            #expect(try lab.datapath.denyListUsage()?.lists.map(\.dropped.packets) == [1, 2])
            _ = try verdict(lab, from: "192.0.2.1")
            #expect(try lab.datapath.denyListUsage()?.lists.map(\.dropped.packets) == [2, 2])
            // One that was away begins anew.
            try set(lab, [("one", ["192.0.2.0/24"])])
            try set(lab, [("one", ["192.0.2.0/24"]), ("two", ["2001:db8::/32"])])
            #expect(try lab.datapath.denyListUsage()?.lists.map(\.dropped.packets) == [2, 0])
        }
    }

    @Test func `no list drops nothing`() throws {
        try Lab.run { lab throws in
            try set(lab, [("bad", ["192.0.2.0/24"])])
            try set(lab, [])
            #expect(try verdict(lab, from: "192.0.2.1") == Self.pass)
            #expect(try lab.datapath.denyListUsage()?.lists.isEmpty == true)
        }
    }

    @Test func `no device takes the program off`() throws {
        try Lab.run { lab throws in
            let pin = lab.datapath.paths.links + "/xdp-\(Self.device)"
            try set(lab, [("bad", ["192.0.2.0/24"])])
            let id = try BPFLink(pinned: pin).info().id
            try lab.datapath.setDenyLists([], device: nil)
            #expect(eventually { (try? BPFLink(id: id)) == nil })
            #expect(try Directory.names(in: lab.datapath.paths.links) == [])
            #expect(try lab.datapath.denyListUsage() == nil)
        }
    }

    @Test func `lists move to another device`() throws {
        try Lab.run { lab throws in
            try set(lab, [("bad", ["192.0.2.0/24"])])
            let list = DenyList(name: "bad", prefixes: [prefix("192.0.2.0/24")])
            try lab.datapath.setDenyLists([list], device: "outside")
            #expect(try lab.datapath.denyListUsage()?.device == "outside")
            #expect(try Directory.names(in: lab.datapath.paths.links) == ["xdp-outside"])
            #expect(throws: DatapathError.self) { try lab.datapath.setDenyLists([list], device: "nowhere") }
        }
    }

    @Test func `a hundred thousand prefixes fit, and one more than the map does not`() throws {
        try Lab.run({ $0.sizes.denySources = 100_000 }) { lab throws in
            var random = SplitMix64(seed: 4)
            var prefixes: Set<Prefix> = []
            while prefixes.count < 50_000 {
                let length = Int.random(in: 16...32, using: &random)
                prefixes.insert(
                    try #require(
                        Prefix(IPAddress(v4: UInt32.random(in: 1 << 24 ... .max, using: &random)), length: length)))
            }
            while prefixes.count < 100_000 {
                let high = 0x2000_0000_0000_0000 | random.next() >> 3
                prefixes.insert(
                    try #require(
                        Prefix(
                            IPAddress(high: high, low: random.next()), length: Int.random(in: 32...128, using: &random))
                    ))
            }
            var list = DenyList(name: "many", prefixes: Array(prefixes))
            try lab.datapath.setDenyLists([list], device: Self.device)
            #expect(try lab.datapath.mapUsage().first { $0.name == "deny_sources" }?.entries == 100_000)
            let program = try program(lab)
            for prefix in list.prefixes.prefix(500) {
                let packet = Packet.udp(
                    from: prefix.address, to: prefix.isIPv4 ? address("10.1.0.1") : address("fd00:1::1"), sport: 1,
                    dport: 2)
                #expect(try program.testRun(packet.bytes).verdict == Self.drop)
            }
            #expect(try verdict(lab, from: "0.77.1.1") == Self.pass)
            #expect(try verdict(lab, from: "fd00:9::1") == Self.pass)

            list.prefixes.append(prefix("0.88.0.0/16"))
            let error = #expect(throws: DatapathError.self) {
                try lab.datapath.setDenyLists([list], device: Self.device)
            }
            guard case .mapFull("deny_sources", 100_000, "map-deny-sources")? = error else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(try lab.datapath.denyListUsage()?.lists.map(\.prefixes) == [100_000], "as it was")
        }
    }

    @Test func `the driver runs the program, and the next start takes it over`() throws {
        try Lab.run { lab throws in
            let lists = [DenyList(name: "bad", prefixes: [prefix("192.0.2.0/24")])]
            try lab.datapath.setDenyLists(lists, device: Self.device)
            #expect(try lab.datapath.denyListUsage()?.mode == "native")
            let pin = lab.datapath.paths.links + "/xdp-\(Self.device)"
            let before = try BPFLink(pinned: pin).info()
            try lab.restart()
            #expect(try verdict(lab, from: "192.0.2.1") == Self.drop)
            try lab.datapath.setDenyLists(
                [DenyList(name: "bad", prefixes: [prefix("198.51.100.0/24")])], device: Self.device)
            let after = try BPFLink(pinned: pin).info()
            #expect(after.id == before.id)
            #expect(after.programID != before.programID)
            #expect(after.ifindex == lab.uplink)
            #expect(try verdict(lab, from: "192.0.2.1") == Self.pass)
            #expect(try verdict(lab, from: "198.51.100.1") == Self.drop)
        }
    }

    @Test func `a packet from the wire is dropped before the stack sees it`() throws {
        try Lab.run { lab throws in
            try set(lab, [("bad", ["192.0.2.0/24"])])
            let wire = try PacketSocket(device: "outside")
            let packet = Packet.udp(from: address("192.0.2.1"), to: address("10.1.0.1"), sport: 1, dport: 2)
            for _ in 0..<5 { try wire.send(packet.bytes) }
            #expect(try eventually { try lab.datapath.denyListUsage()?.lists[0].dropped.packets == 5 })
        }
    }

    @Test func `more lists than there are counters are refused`() throws {
        try Lab.run { lab throws in
            let lists = (0...256).map { DenyList(name: "list\($0)", prefixes: []) }
            #expect(throws: DatapathError.self) { try lab.datapath.setDenyLists(lists, device: Self.device) }
            try lab.datapath.setDenyLists(Array(lists.dropLast()), device: Self.device)
            #expect(try lab.datapath.denyListUsage()?.lists.count == 256)
        }
    }
}

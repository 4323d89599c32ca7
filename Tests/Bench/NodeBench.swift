// SPDX-License-Identifier: Apache-2.0
import BPF
import BenchReport
import Datapath
import Kernel
import NetTypes
import Netlink
import TestSupport

/// Nanoseconds for one packet through the node programs, measured as `ProgramBench` does.
struct NodeBench {
    let objects: String
    private static let rounds = 15
    private static let packets = 400_000

    func run(into report: inout Report) throws {
        print("node programs: 1,000 prefixes of the cluster")
        let pins = try TemporaryDirectory.forPins()
        try ScratchNamespace.run { try measure(pins.path, &report) }
    }

    private func measure(_ pins: String, _ report: inout Report) throws {
        let uplink = try VethPair("uplink", "outside").first
        let datapath = try Datapath(DatapathConfiguration(pinDirectory: pins, objectDirectory: objects))
        let cluster = (0..<1_000).compactMap { Prefix(IPAddress(v4: 0x0a00_0000 | $0 << 8), length: 24) }
        try datapath.setNodeNAT(
            NodeNAT(
                uplinks: [.init(name: "uplink", ifindex: uplink, ipv4: Self.node(true), ipv6: Self.node(false))],
                excluded: Set(cluster), podRanges: [prefix("10.0.1.0/24"), prefix("fd00:1::/64")]))
        // Nothing but what is measured here is to come by.
        guard let programs = datapath.nodeProgramDescriptors else { return }
        let stand = try TestStand(try BPFObject(loading: objects + "/bench.bpf.o"))
        let bareForward = Self.packet(true, .ack)
        try stand.addBareFlow(bareForward, to: uplink)
        for v4 in [true, false] {
            let sent = Self.packet(v4, .ack)
            let answer = Packet.tcp(
                from: Self.world(v4), to: Self.node(v4), sport: 443, dport: 40_000, flags: .ack)
            let within = Packet.tcp(
                from: Self.pod(v4), to: address(v4 ? "10.0.9.9" : "fd00:1::9"), sport: 40_000, dport: 443, flags: .ack)
            var samples: [String: [Double]] = [:]
            func sample(_ name: String, _ packet: Packet, _ target: TestStand.Target) throws {
                samples[name, default: []].append(
                    try stand.measure(packet, ifindex: uplink, target, flows: 1, packets: Self.packets))
            }
            _ = try stand.measure(Self.packet(v4, .syn), ifindex: uplink, .program(programs.to), flows: 1, packets: 1)
            for _ in 0..<Self.rounds {
                try sample("wrapper", sent, .none)
                try sample("bare", bareForward, .bare)
                try sample("to", sent, .program(programs.to))
                try sample("from", answer, .program(programs.from))
                try sample("within", within, .program(programs.to))
            }
            func net(_ name: String) -> Double {
                lowerQuartile(samples[name] ?? []) - lowerQuartile(samples["wrapper"] ?? [])
            }
            let family = v4 ? "IPv4" : "IPv6"
            let bare = ("bare program", net("bare"))
            report.add("masqueraded, established, \(family)", net("to"), "ns", peer: bare)
            report.add("masqueraded, established answer, \(family)", net("from"), "ns", peer: bare)
            report.add("to the cluster by an uplink, \(family)", net("within"), "ns", peer: bare)
        }
        try datapath.detachAll()
    }

    private static func pod(_ v4: Bool) -> IPAddress { address(v4 ? "10.0.1.5" : "fd00:1::5") }
    private static func node(_ v4: Bool) -> IPAddress { address(v4 ? "192.0.2.1" : "2001:db8::1") }
    private static func world(_ v4: Bool) -> IPAddress { address(v4 ? "203.0.113.5" : "2001:db8:9::5") }

    private static func packet(_ v4: Bool, _ flags: TCPFlags) -> Packet {
        .tcp(from: pod(v4), to: world(v4), sport: 40_000, dport: 443, flags: flags)
    }
}

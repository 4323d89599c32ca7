// SPDX-License-Identifier: Apache-2.0
import BPF
import BenchReport
import CDatapathABI
import Datapath
import Kernel
import Model
import NetTypes
import Netlink
import PolicyEngine
import TestSupport

/// Nanoseconds for one packet through the endpoint programs, by BPF_PROG_TEST_RUN, net of what the run itself costs. A
/// wrapper program restores the packet before each round and tail-calls the program; the wrapper alone is subtracted.
/// What is reported is the lower quartile of the rounds: whoever shares the machine's caches only ever adds.
struct ProgramBench {
    let objects: String
    private static let rounds = 15
    private static let packets = 400_000

    func run(into report: inout Report) throws {
        print("programs: 10,000 addresses, 1,000 policies, 100 endpoints")
        let pins = try TemporaryDirectory.forPins()
        try ScratchNamespace.run { try measure(pins.path, &report) }
    }

    private func measure(_ pins: String, _ report: inout Report) throws {
        var socket = try NetlinkSocket()
        for name in ["h1", "h2"] {
            try socket.perform(.createVeth(VethEnd(name: name), peer: VethEnd(name: "p" + name)))
        }
        let links = try ["h1", "h2"].map { UInt32(bitPattern: try socket.link(.name($0))?.index ?? 0) }

        var configuration = DatapathConfiguration(pinDirectory: pins, objectDirectory: objects)
        configuration.sizes.flows = 262_144
        let datapath = try Datapath(configuration)
        var compiler = Cluster.compiler()
        let changes = compiler.commit()
        try datapath.apply(changes)
        let views = Dictionary(uniqueKeysWithValues: changes.views.map { ($0.endpoint, $0.view) })
        for pod in 0..<100 {
            guard let view = views[UInt16(pod + 1)] else { continue }
            try datapath.setEndpoint(
                LocalEndpoint(
                    number: UInt16(pod + 1), ifindex: pod < 2 ? links[pod] : 10_000 + UInt32(pod),
                    hostInterface: "h\(pod)", mac: MACAddress(value: 0x0a5d_0000_0000 + UInt64(pod)),
                    ipv4: Cluster.ipv4(pod), ipv6: Cluster.ipv6(pod)), view: view)
        }
        try datapath.finishStart()
        try measure(datapath, try BPFObject(loading: objects + "/bench.bpf.o"), links, &report)
        try datapath.detachAll()
    }

    /// Connections that begin, each round 16,384 others, in a table that has seen all of them before: its elements lie
    /// scattered in memory, as they do after a while. Both families take turns, since the later finds the colder table.
    private func measureNew(
        _ datapath: Datapath, _ stand: TestStand, _ link: UInt32
    ) throws -> [Bool: Double] {
        let count = 16_384
        var samples: [Bool: [Double]] = [:]
        for _ in 0..<Self.rounds {
            for v4 in [true, false] {
                let open = Self.packet(v4, 0, 1, 40_000, 8080, .syn)
                func measure(_ target: TestStand.Target) throws -> Double {
                    try stand.measure(
                        open, ifindex: link, target, flows: count, packets: count, scrambled: false)
                }
                try datapath.forgetFlows(of: [Self.address(v4, 0)])
                let wrapper = try measure(.none)
                samples[v4, default: []].append(
                    try measure(.program(datapath.fromEndpointDescriptor)) - wrapper)
            }
        }
        return samples.mapValues { lowerQuartile($0) }
    }

    private static func address(_ v4: Bool, _ pod: Int) -> IPAddress { v4 ? Cluster.ipv4(pod) : Cluster.ipv6(pod) }

    private static func packet(
        _ v4: Bool, _ from: Int, _ to: Int, _ source: UInt16, _ port: UInt16, _ flags: TCPFlags
    ) -> Packet {
        Packet.tcp(from: address(v4, from), to: address(v4, to), sport: source, dport: port, flags: flags)
            .macs(from: MACAddress(value: 2), to: .gateway(endpoint: UInt16(from + 1)))
    }

    private func measure(
        _ datapath: Datapath, _ bench: consuming BPFObject, _ links: [UInt32], _ report: inout Report
    ) throws {
        let stand = try TestStand(bench)
        let far = (from: 0, to: 1)
        let opened = try measureNew(datapath, stand, links[0])
        for v4 in [true, false] {
            let family = v4 ? "IPv4" : "IPv6"
            func packet(_ from: Int, _ to: Int, _ source: UInt16, _ port: UInt16, _ flags: TCPFlags) -> Packet {
                Self.packet(v4, from, to, source, port, flags)
            }
            let open = packet(far.from, far.to, 40_000, 8080, .syn)
            let forward = packet(far.from, far.to, 40_000, 8080, .ack)
            let reply = packet(far.to, far.from, 8080, 40_000, .ack)
            let refusedHere = packet(far.from, far.to, 40_000, 9999, .syn)
            // Pod 1 may reach pod 2's namespace, which may not reach back.
            let refusedThere = packet(far.to, far.from, 40_000, 8080, .syn)

            // The bare program knows IPv4 only.
            let bareForward = Self.packet(true, far.from, far.to, 40_000, 8080, .ack)
            if v4 { try stand.addBareFlow(bareForward, to: links[1]) }
            var samples: [String: [Double]] = [:]
            func sample(_ name: String, _ packet: Packet, _ link: UInt32, _ target: TestStand.Target, flows: Int = 1)
                throws
            {
                samples[name, default: []].append(
                    try stand.measure(packet, ifindex: link, target, flows: flows, packets: Self.packets))
            }
            _ = try stand.measure(
                open, ifindex: links[0], .program(datapath.fromEndpointDescriptor), flows: 1, packets: 1)
            for _ in 0..<Self.rounds {
                try sample("wrapper", forward, links[0], .none)
                try sample("bare", bareForward, links[0], .bare)
                try sample("forward", forward, links[0], .program(datapath.fromEndpointDescriptor))
                try sample("reply", reply, links[1], .program(datapath.fromEndpointDescriptor))
                try sample("refused by sender", refusedHere, links[0], .program(datapath.fromEndpointDescriptor))
                try sample("refused by receiver", refusedThere, links[1], .program(datapath.fromEndpointDescriptor))
            }
            let many = 65_536
            // Both tables are filled in the order of the ports, then read in a scrambled one.
            try stand.addFlows(open, ifindex: links[0], datapath.fromEndpointDescriptor, count: many)
            if v4 { try stand.addBareFlows(bareForward, to: links[1], count: many) }
            for _ in 0..<Self.rounds {
                try sample("wrapper many", forward, links[0], .none, flows: many)
                try sample("bare many", bareForward, links[0], .bare, flows: many)
                try sample(
                    "forward many", forward, links[0], .program(datapath.fromEndpointDescriptor), flows: many)
            }
            func net(_ name: String, _ wrapper: String = "wrapper") -> Double {
                lowerQuartile(samples[name] ?? []) - lowerQuartile(samples[wrapper] ?? [])
            }
            let bare = ("bare program", net("bare")), bareMany = ("bare program", net("bare many", "wrapper many"))
            report.add("established, \(family)", net("forward"), "ns", peer: bare, goal: .ratioAtMost(2))
            report.add("established reply, \(family)", net("reply"), "ns", peer: bare, goal: .ratioAtMost(2))
            report.add(
                "established, 65,536 flows scrambled, \(family)", net("forward many", "wrapper many"), "ns",
                peer: bareMany, goal: .ratioAtMost(2))
            report.add("new connection, \(family)", opened[v4] ?? .nan, "ns", goal: .atMost(700))
            report.add("refused by the sender's policy, \(family)", net("refused by sender"), "ns", goal: .atMost(200))
            report.add(
                "refused by the receiver's policy, \(family)", net("refused by receiver"), "ns", goal: .atMost(200))
        }
        let info = try datapath.fromEndpoint.info()
        report.add("from_endpoint, verified instructions", Double(info.verifiedInstructions), "instructions")
        report.add("from_endpoint, machine code", Double(info.jitedSize), "bytes")
    }
}

extension Datapath {
    /// Of the program on what pods send; open as long as the datapath.
    var fromEndpointDescriptor: Int32 { fromEndpoint.withDescriptor { $0 } }
}

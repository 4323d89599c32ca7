// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import BPF
import BenchReport
import CDatapathABI
import Datapath
import Kernel
import NetTypes
import Netlink
import PolicyEngine
import TestSupport

/// Nanoseconds for one packet into a tunnel and out of one, as `ProgramBench` measures them: net of the wrappers, beside
/// the bare program, which knows of no tunnels.
struct TunnelBench {
    let objects: String
    private static let rounds = 15
    private static let packets = 400_000
    private static let device = OverlayDevice(name: "overlay", ifindex: 77, port: 8_472, isIPv6: false)
    private static let node = address("192.0.2.1")
    /// Of this node, and of another: each may reach the other's namespace.
    private static let local = (sender: 0, receiver: 1)
    private static let remote = (receiver: 101, sender: 100)

    func run(into report: inout Report) throws {
        print("tunnels: the same cluster, some of its pods on another node")
        let pins = try TemporaryDirectory.forPins()
        try ScratchNamespace.run { try measure(pins.path, &report) }
    }

    private func measure(_ pins: String, _ report: inout Report) throws {
        let link = try VethPair("h1", "ph1").first
        let peer = try VethPair("h2", "ph2").first
        var socket = try NetlinkSocket()
        try socket.perform([
            .createVXLAN(
                VXLANDevice(
                    name: Self.device.name, index: Int32(Self.device.ifindex), port: Self.device.port, mtu: 1_450)),
            .setLink(.name(Self.device.name), LinkChange(isUp: true)),
        ])
        var configuration = DatapathConfiguration(pinDirectory: pins, objectDirectory: objects)
        configuration.overlay = Self.device
        let datapath = try Datapath(configuration)
        try datapath.setNode(1, Self.node)
        var compiler = Cluster.compiler()
        compiler.stage(.remoteNode, at: Self.node, node: 1)
        for pod in [Self.remote.sender, Self.remote.receiver] {
            for address in [Cluster.ipv4(pod), Cluster.ipv6(pod)] {
                compiler.stage(.pod(Cluster.labels(pod), namedPorts: []), at: address, node: 1)
            }
        }
        let changes = compiler.commit()
        try datapath.apply(changes)
        let views = Dictionary(uniqueKeysWithValues: changes.views.map { ($0.endpoint, $0.view) })
        for (pod, link) in [(Self.local.sender, link), (Self.local.receiver, peer)] {
            guard let view = views[UInt16(pod + 1)] else { continue }
            try datapath.setEndpoint(
                LocalEndpoint(
                    number: UInt16(pod + 1), ifindex: link, hostInterface: "h\(pod + 1)",
                    mac: MACAddress(value: 0x0a5d_0000_0000 + UInt64(pod)), ipv4: Cluster.ipv4(pod),
                    ipv6: Cluster.ipv6(pod)), view: view)
        }
        try datapath.finishStart()
        let sender = changes.peers.first { $0.address == Cluster.ipv4(Self.remote.sender) }
        let wrapper = try TunnelWrapper(
            BPFObject(loading: objects + "/tunnel.bpf.o"), from: Self.node, identity: sender?.entry.identity ?? 0)
        try measure(datapath, TestStand(BPFObject(loading: objects + "/bench.bpf.o")), wrapper, link, &report)
        // A dropped packet is quick, too.
        for drop in try datapath.counters().drops
        where drop.reason != DP_DROP_FORBIDDEN_ICMP6.rawValue {
            throw ValidationError("tunnels: \(drop.count.packets) packets were dropped: \(drop.text)")
        }
        try datapath.detachAll()
    }

    private func measure(
        _ datapath: Datapath, _ stand: TestStand, _ wrapper: TunnelWrapper, _ link: UInt32, _ report: inout Report
    ) throws {
        guard let overlay = datapath.overlay else { return }
        for v4 in [true, false] {
            let family = v4 ? "IPv4" : "IPv6"
            func packet(_ from: Int, _ to: Int, _ flags: TCPFlags, v4: Bool = v4) -> Packet {
                Packet.tcp(
                    from: v4 ? Cluster.ipv4(from) : Cluster.ipv6(from), to: v4 ? Cluster.ipv4(to) : Cluster.ipv6(to),
                    sport: 40_000, dport: 8_080, flags: flags
                ).macs(from: MACAddress(value: 2), to: .gateway(endpoint: UInt16(Self.local.sender + 1)))
            }
            let program = TestStand.Target.program(datapath.fromEndpointDescriptor)
            let wrapped = TestStand.Target.program(wrapper.descriptor)
            let bare = packet(Self.local.sender, Self.remote.receiver, .ack, v4: true)
            if v4 { try stand.addBareFlow(bare, to: link) }
            var samples: [String: [Double]] = [:]
            func sample(_ name: String, _ packet: Packet, _ link: UInt32, _ target: TestStand.Target, count: Int) throws
            {
                let time = try stand.measure(packet, ifindex: link, target, flows: 1, packets: count)
                if count > 1 { samples[name, default: []].append(time) }
            }
            let leaving = (Self.local.sender, Self.remote.receiver),
                arriving = (Self.remote.sender, Self.local.receiver)
            try wrapper.aim(at: overlay.from)
            try sample("", packet(leaving.0, leaving.1, .syn), link, program, count: 1)
            try sample("", packet(arriving.0, arriving.1, .syn), Self.device.ifindex, wrapped, count: 1)
            let leave = packet(leaving.0, leaving.1, .ack), arrive = packet(arriving.0, arriving.1, .ack)
            for _ in 0..<Self.rounds {
                try sample("wrapper", leave, link, .none, count: Self.packets)
                try sample("bare", bare, link, .bare, count: Self.packets)
                try sample("leave", leave, link, program, count: Self.packets)
                try wrapper.aim(at: overlay.from)
                try sample("arrive", arrive, Self.device.ifindex, wrapped, count: Self.packets)
                try wrapper.aimAtNothing()
                try sample("wrappers", arrive, Self.device.ifindex, wrapped, count: Self.packets)
            }
            func net(_ name: String, _ wrapper: String = "wrapper") -> Double {
                lowerQuartile(samples[name] ?? []) - lowerQuartile(samples[wrapper] ?? [])
            }
            let peer = ("bare program", net("bare"))
            report.add("established into a tunnel, \(family)", net("leave"), "ns", peer: peer)
            report.add("established out of a tunnel, \(family)", net("arrive", "wrappers"), "ns", peer: peer)
        }
        report.add(
            "from_overlay, verified instructions", Double(try overlay.from.info().verifiedInstructions), "instructions")
    }
}

/// The wrapper of `bpf/tests/tunnel.bpf.c`, for packets of one sender.
private final class TunnelWrapper {
    /// `struct tunnel_input`.
    private struct Input: BitwiseCopyable {
        var identity: UInt32
        var isIPv6: UInt32 = 0
        var source: (UInt32, UInt32, UInt32, UInt32)
        var target: UInt32 = 0
        var pad: UInt32 = 0
    }

    private let targets: BPFMap<UInt32, UInt32>
    private let program: BPFProgram

    init(_ object: consuming BPFObject, from node: IPAddress, identity: UInt32) throws {
        let inputs: BPFMap<UInt32, Input> = try object.map("tunnel_input")
        targets = try object.map("tunnel_target")
        program = try object.program("tunnel_wrap")
        try inputs.update(0, Input(identity: identity, source: (node.v4 ?? 0, 0, 0, 0)))
    }

    var descriptor: Int32 { program.withDescriptor { $0 } }

    func aim(at program: borrowing BPFProgram) throws {
        try targets.update(0, program.withDescriptor { UInt32(bitPattern: $0) })
    }

    func aimAtNothing() throws { try targets.delete(0) }
}

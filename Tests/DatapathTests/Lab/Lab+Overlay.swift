// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import NetTypes
import Netlink
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// A family of packets within tunnels of another, or of the same.
struct TunnelPath: Hashable, CustomStringConvertible {
    var family: Family
    /// What nodes reach each other by.
    var underlay: Family

    var description: String { "\(family) over \(underlay)" }

    static let all = Family.allCases.flatMap { family in
        Family.allCases.map { TunnelPath(family: family, underlay: $0) }
    }
}

/// The wrapper of `bpf/tests/tunnel.bpf.c`.
final class TunnelWrapper {
    /// `struct tunnel_input`.
    private struct Input: BitwiseCopyable {
        var identity: UInt32
        var isIPv6: UInt32
        var source: (UInt32, UInt32, UInt32, UInt32)
        var target: UInt32
        var pad: UInt32 = 0
    }

    enum Target: UInt32 {
        case fromOverlay
        case toOverlay
        case nobody
    }

    private let inputs: BPFMap<UInt32, Input>
    private let targets: BPFMap<UInt32, UInt32>
    private let program: BPFProgram

    init() throws {
        let object = try BPFObject(loading: Lab.objectDirectory + "/tunnel.bpf.o")
        inputs = try object.map("tunnel_input")
        targets = try object.map("tunnel_target")
        program = try object.program("tunnel_wrap")
    }

    /// Whether the kernel lets a program say where an outer packet came from.
    static let isSupported: Bool = {
        do {
            let wrapper = try TunnelWrapper()
            let run = try wrapper.run([UInt8](repeating: 0, count: 64), from: address("192.0.2.1"), 1, .nobody)
            return run.verdict == 101
        } catch {
            print("packets can't be made to come out of a tunnel: \(error)")
            return false
        }
    }()

    func aim(at programs: OverlayPrograms) throws {
        try targets.update(Target.fromOverlay.rawValue, programs.from.withDescriptor { UInt32(bitPattern: $0) })
        try targets.update(Target.toOverlay.rawValue, programs.to.withDescriptor { UInt32(bitPattern: $0) })
    }

    /// Runs a program on a frame that came in a packet of `node`, under an identity.
    func run(
        _ frame: [UInt8], from node: IPAddress, _ identity: UInt32, _ target: Target, context: SkbContext? = nil,
        returnsPacket: Bool = true
    ) throws -> TestRunResult {
        let bytes = node.mappedBytes
        func word(_ offset: Int) -> UInt32 {
            bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
        }
        let source = node.v4.map { ($0, 0, 0, 0) } ?? (word(0), word(4), word(8), word(12))
        try inputs.update(
            0,
            Input(identity: identity, isIPv6: node.isIPv4 ? 0 : 1, source: source, target: target.rawValue))
        return try program.testRun(frame, context: context, returnsPacket: returnsPacket)
    }
}

/// Other nodes and what they have, in labs with tunnels.
enum Elsewhere {
    /// Peers.node is node 1 and has Peers.remote; this is node 2, which has Peers.stranger.
    static let node = TestPeer(ipv4: "10.9.0.2", ipv6: "fd00:9::2", identity: 6, slot: 20, isRemoteNode: true)
    /// The API server on node 2, at an address of its own.
    static let apiServer = TestPeer(ipv4: "10.9.0.3", ipv6: "fd00:9::3", identity: 7, slot: 24, isRemoteNode: true)
    static let service = TestPeer(ipv4: "10.3.0.1", ipv6: "fd00:3::1", identity: 2, slot: 0, isService: true)
    /// Nobody has told its address; its identity is known.
    static let unheard = TestPeer(ipv4: "10.2.0.77", ipv6: "fd00:2::77", identity: 2_003, slot: 23)
    /// Neither its address nor its identity.
    static let unknown = TestPeer(ipv4: "10.2.0.78", ipv6: "fd00:2::78", identity: 2_999, slot: 0)

    static let identities: [(number: UInt32, slot: UInt32)] = [(2_001, 21), (2_002, 22), (2_003, 23)]

    static var changes: Changeset {
        var changes = Changeset()
        changes.classWords = [(23, 223), (24, 224)]
        changes.identities = identities
        changes.peers = Peers.node.entries(on: 1) + Peers.remote.entries(on: 1)
        changes.peers += node.entries(on: 2) + apiServer.entries(on: 2) + Peers.stranger.entries(on: 2)
        changes.peers += service.entries
        return changes
    }
}

extension Lab {
    static let tunnelDevice = "overlay"
    /// Of the device, which must be known before it is made.
    static let tunnelLink: UInt32 = 77
    static let tunnelPort: UInt16 = 8_472

    /// A lab with tunnels to two nodes. See `run`.
    static func runOverlay(
        over underlay: Family, _ change: (inout DatapathConfiguration) -> Void = { _ in },
        _ body: (Lab) throws -> Void
    ) throws {
        try run(
            {
                $0.overlay = OverlayDevice(
                    name: tunnelDevice, ifindex: tunnelLink, port: tunnelPort, isIPv6: underlay == .ipv6)
                change(&$0)
            }, variant: "overlay", prepare: { try $0.makeTunnels() }
        ) { lab in
            try lab.joinNodes()
            try body(lab)
        }
    }

    private func makeTunnels() throws {
        var socket = try NetlinkSocket()
        let device = VXLANDevice(
            name: Self.tunnelDevice, index: Int32(Self.tunnelLink), port: Self.tunnelPort, mtu: 1_450)
        try socket.perform([
            .createVXLAN(device),
            .setLink(.name(device.name), LinkChange(isUp: true, generatesIPv6Address: false)),
        ])
        tunnel = try TunnelWrapper()
    }

    /// Brings everything about other nodes into the tables, as at first.
    func joinNodes() throws {
        for (number, node) in [(1, Peers.node), (2, Elsewhere.node)] as [(UInt32, TestPeer)] {
            try datapath.setNode(number, node.address(underlay))
        }
        var changes = Elsewhere.changes
        let numbers = Set(changes.identities.map(\.number))
        changes.removedIdentities = try datapath.set.identities.entries().map(\.key).filter { !numbers.contains($0) }
        try datapath.apply(changes)
        try aimTunnel()
        try noteDrops()
    }

    /// To be repeated after a restart.
    func aimTunnel() throws {
        if let overlay = datapath.overlay { try tunnel?.aim(at: overlay) }
    }

    var underlay: Family { datapath.configuration.overlay?.isIPv6 == true ? .ipv6 : .ipv4 }

    /// Runs the program for what comes out of a tunnel.
    ///
    /// - Parameter node: whose address the outer packet comes from; nil: node 1's.
    func receive(
        _ packet: Packet, from node: IPAddress? = nil, identity: UInt32, mark: UInt32 = 0
    ) throws -> Outcome {
        let context = SkbContext(ifindex: Self.tunnelLink, ingressIfindex: Self.tunnelLink, mark: mark)
        let run = try #require(tunnel).run(
            packet.bytes, from: node ?? Peers.node.address(underlay), identity, .fromOverlay, context: context)
        return try outcome(run, fromPod: false)
    }

    /// Runs the program for what the host's stack sends into a tunnel.
    ///
    /// - Parameter ingress: the device that it came in by; 0: a process of this node sent it.
    func leave(_ packet: Packet, ingress: UInt32) throws -> Outcome {
        let context = SkbContext(ifindex: Self.tunnelLink, ingressIfindex: ingress)
        let run = try #require(datapath.overlay).to.testRun(packet.bytes, context: context)
        return try outcome(run, fromPod: true)
    }

    /// The same for a packet whose tunnel is chosen.
    func leaveTunnelled(_ packet: Packet, identity: UInt32) throws -> Outcome {
        let context = SkbContext(ifindex: Self.tunnelLink, ingressIfindex: a.ifindex)
        let run = try #require(tunnel).run(
            packet.bytes, from: Peers.node.address(underlay), identity, .toOverlay, context: context)
        return try outcome(run, fromPod: true)
    }

    /// A connection of a pod to one of another node, established.
    func establishAcross(
        _ client: TestPod, to server: TestPeer, _ family: Family, from node: IPAddress? = nil, dport: UInt16 = 80,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Talk {
        let talk = Talk(client: client.address(family), server: server.address(family), dport: dport)
        #expect(try send(talk.opening, by: client).action == .redirect, sourceLocation: sourceLocation)
        #expect(
            try receive(talk.fromServer(.synAck), from: node, identity: server.identity).action == .redirect,
            sourceLocation: sourceLocation)
        #expect(try send(talk.fromClient(.ack), by: client).action == .redirect, sourceLocation: sourceLocation)
        return talk
    }

    /// A connection of another node's pod to one of this node, established.
    func establishAcross(
        from client: TestPeer, to server: TestPod, _ family: Family, from node: IPAddress? = nil, dport: UInt16 = 80,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> Talk {
        let talk = Talk(client: client.address(family), server: server.address(family), dport: dport)
        #expect(
            try receive(talk.opening, from: node, identity: client.identity).action == .redirect,
            sourceLocation: sourceLocation)
        #expect(try send(talk.fromServer(.synAck), by: server).action == .redirect, sourceLocation: sourceLocation)
        #expect(
            try receive(talk.fromClient(.ack), from: node, identity: client.identity).action == .redirect,
            sourceLocation: sourceLocation)
        return talk
    }
}

extension FlowEntry {
    /// Where the tunnel to an address leads; nil: there is none.
    func tunnel(to address: IPAddress) -> (node: UInt32, identity: UInt32)? {
        let end = end(of: address)
        guard end.ifindex == Lab.tunnelLink, end.endpoint == 0 else { return nil }
        let tunnel = unsafe withUnsafeBytes(of: end.mac) { unsafe $0.loadUnaligned(as: flow_tunnel.self) }
        return (
            UInt32(tunnel.node_low) | UInt32(tunnel.node_high) << 16,
            UInt32(tunnel.identity_low) | UInt32(tunnel.identity_high) << 16
        )
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import PolicyEngine
import TestSupport
import Testing

@testable import Datapath

/// Real sockets of pods and nodes that tunnels join.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct OverlayTrafficTests {
    private static let tcp: UInt16 = 8_080
    private static let udp: UInt16 = 5_353

    /// Echo servers in every pod and on every node.
    private func servers(_ nodes: OverlayNode...) throws -> [EchoServer] {
        try nodes.flatMap { node in
            try (node.pods.map(\.namespace) + [node.namespace]).map {
                try EchoServer(in: $0, tcp: [Self.tcp], udp: [Self.udp])
            }
        }
    }

    private static let kinds: [Probe.Kind] = [.tcp(tcp), .udp(udp), .ping]

    private func check(
        _ probes: [(probe: Probe, isReached: Bool)], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let expected = Set(probes.indices.filter { probes[$0].isReached })
        let outcomes = try Probe.outcomes(probes.map(\.probe), expected: expected)
        for (entry, outcome) in zip(probes, outcomes) {
            #expect(
                outcome == (entry.isReached ? .connected : .timedOut), "\(entry.probe)", sourceLocation: sourceLocation)
        }
    }

    @Test(arguments: Family.allCases)
    func `pods and nodes reach each other by TCP, UDP and ping`(underlay: Family) throws {
        try OverlayNode.withPair(over: underlay) { first, second throws in
            let servers = try servers(first, second)
            var probes: [(Probe, Bool)] = []
            for (near, far) in [(first, second), (second, first)] {
                for family in Family.allCases {
                    for kind in Self.kinds {
                        for pod in near.pods {
                            // Pods there and here, the other node and this one.
                            for target in far.pods + near.pods
                            where target.ifindex != pod.ifindex || target.node != pod.node {
                                probes.append((Probe(kind, from: pod.namespace, to: target.address(family)), true))
                            }
                            for node in [near, far] {
                                let target = OverlayNode.address(node.number, family)
                                probes.append((Probe(kind, from: pod.namespace, to: target), true))
                            }
                        }
                        for target in far.pods + near.pods {
                            probes.append((Probe(kind, from: near.namespace, to: target.address(family)), true))
                        }
                    }
                }
            }
            try check(probes)
            for node in [first, second] {
                #expect(try node.drops() == [:], "node \(node.number)")
                let flows = try node.datapath.shared.flows.entries()
                #expect(flows.contains { $0.value.end.0.ifindex == node.datapath.configuration.overlay?.ifindex })
            }
            for server in servers { server.stop() }
        }
    }

    @Test(arguments: Family.allCases)
    func `large messages cross in segments, large datagrams in fragments`(underlay: Family) throws {
        try OverlayNode.withPair(over: underlay) { first, second throws in
            let servers = try servers(first, second)
            for family in Family.allCases {
                let target = second.pods[0].address(family)
                let before = (try first.datapath.counters(), try second.datapath.counters())
                for source in [first.pods[0].namespace, first.namespace] {
                    let stream = try EchoConnection(.tcp(Self.tcp), from: source, to: target)
                    for size in [1, 1_400, 64_000] {
                        let message = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ size) }
                        #expect(try stream.exchange(message), "\(size) bytes, \(family)")
                    }
                    #expect(eventually { stream.lostSegments == 0 }, "\(stream.lostSegments) lost, \(family)")
                    let datagrams = try EchoConnection(.udp(Self.udp), from: source, to: target)
                    for size in [1, 1_400, 9_000, 60_000] {
                        let message = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ size) }
                        #expect(try datagrams.exchange(message), "\(size) bytes, \(family)")
                    }
                }
                let after = (try first.datapath.counters(), try second.datapath.counters())
                // There and back, from the pod and from the node, whose packets no program counts.
                #expect(after.0.fromPod.bytes - before.0.fromPod.bytes > 130_000)
                #expect(after.0.toPod.bytes - before.0.toPod.bytes > 130_000)
                #expect(after.1.toPod.bytes - before.1.toPod.bytes > 260_000)
                #expect(after.1.fromPod.bytes - before.1.fromPod.bytes > 260_000)
                #expect(try second.drops() == [:])
            }
            for server in servers { server.stop() }
        }
    }

    @Test(arguments: Family.allCases)
    func `what is on the wire is a tunnel with the sender's identity`(underlay: Family) throws {
        try OverlayNode.withPair(over: underlay) { first, second throws in
            let servers = try servers(second)
            let capture = try second.namespace.run { try PacketCapture(device: "wire") }
            for family in Family.allCases {
                let target = second.pods[1].address(family)
                let (pod, node) = (first.pods[0], OverlayNode.address(1, family))
                for (source, own, identity) in [
                    (pod.namespace, pod.address(family), pod.identity), (first.namespace, node, 6),
                ] {
                    _ = capture.frames()
                    #expect(try Probe(.tcp(Self.tcp), from: source, to: target).outcome() == .connected)
                    let frames = capture.frames()
                    let tunnelled = frames.compactMap { TunnelledFrame($0, port: OverlayNode.port) }
                        .filter { $0.inner.ip?.destination == target && $0.inner.ip?.source == own }
                    #expect(tunnelled.count >= 2)
                    for frame in tunnelled {
                        #expect(frame.identity == identity)
                        #expect(frame.outer.source == OverlayNode.address(1, underlay))
                        #expect(frame.outer.destination == OverlayNode.address(2, underlay))
                        #expect(frame.outer.hopLimit == 64)
                        #expect(frame.dontFragment)
                        #expect(frame.checksum == 0)
                    }
                    // Nothing goes beside the tunnel.
                    #expect(!frames.contains { ParsedPacket($0)?.ip?.destination == target })
                }
            }
            for server in servers { server.stop() }
        }
    }

    @Test(arguments: Family.allCases)
    func `either side's policy refuses, and other pods are not meant`(underlay: Family) throws {
        try OverlayNode.withPair(over: underlay) { first, second throws in
            let servers = try servers(first, second)
            let (client, other) = (first.pods[0], first.pods[1])
            let (server, open) = (second.pods[0], second.pods[1])
            try second.enforce(TestPolicy(ingress: [client.classID: .only(.allow(.tcp, Self.tcp))]), on: server)
            try first.enforce(TestPolicy(egress: [server.classID: .denyAll]), on: other)
            var probes: [(Probe, Bool)] = []
            for family in Family.allCases {
                probes.append((Probe(.tcp(Self.tcp), from: client.namespace, to: server.address(family)), true))
                probes.append((Probe(.udp(Self.udp), from: client.namespace, to: server.address(family)), false))
                probes.append((Probe(.ping, from: client.namespace, to: server.address(family)), false))
                probes.append((Probe(.tcp(Self.tcp), from: client.namespace, to: open.address(family)), true))
                probes.append((Probe(.tcp(Self.tcp), from: other.namespace, to: server.address(family)), false))
                probes.append((Probe(.tcp(Self.tcp), from: other.namespace, to: open.address(family)), false))
                // The other node is nobody that the rules name; the pod's own node always reaches it.
                probes.append((Probe(.tcp(Self.tcp), from: first.namespace, to: server.address(family)), false))
                probes.append((Probe(.tcp(Self.tcp), from: second.namespace, to: server.address(family)), true))
            }
            try check(probes)
            #expect(try second.drops()[dropText(DP_DROP_POLICY_DENIED.rawValue)] ?? 0 >= 6)
            #expect(try first.drops()[dropText(DP_DROP_POLICY_DENY.rawValue)] ?? 0 >= 2)
            #expect(try first.drops()[dropText(DP_DROP_POLICY_DENIED.rawValue)] ?? 0 >= 2)
            for server in servers { server.stop() }
        }
    }

    @Test(arguments: Family.allCases)
    func `a pod that nobody has told is known by its tunnel`(underlay: Family) throws {
        try OverlayNode.withPair(over: underlay) { first, second throws in
            try second.tell(ofPods: 1, false)
            let servers = try servers(second)
            let client = first.pods[0], server = second.pods[0]
            try second.enforce(TestPolicy(ingress: [client.classID: .allowAll], egress: [:]), on: server)
            for family in Family.allCases {
                let connection = try EchoConnection(.tcp(Self.tcp), from: client.namespace, to: server.address(family))
                #expect(try connection.ping())
                second.datapath.judgeAgain()
                #expect(try connection.ping())
                #expect(
                    try Probe(.tcp(Self.tcp), from: first.pods[1].namespace, to: server.address(family))
                        .outcome(within: Probe.silence) == .timedOut)
            }
            for server in servers { server.stop() }
        }
    }

    @Test(arguments: Family.allCases)
    func `open connections outlive the agents of both nodes`(underlay: Family) throws {
        try OverlayNode.withPair(over: underlay) { first, second throws in
            let servers = try servers(first, second)
            // The answering side could not begin: only what is known of the connection lets it speak.
            for (node, far) in [(first, second), (second, first)] {
                try node.enforce(
                    TestPolicy(ingress: [far.pods[1].classID: .allowAll], egress: [:]), on: node.pods[0])
            }
            var traffic: [TestSupport.Traffic] = []
            for (near, far) in [(first, second), (second, first)] {
                for family in Family.allCases {
                    for kind in [Probe.Kind.tcp(Self.tcp), .udp(Self.udp)] {
                        let connection = try EchoConnection(
                            kind, from: near.pods[1].namespace, to: far.pods[0].address(family))
                        traffic.append(try TestSupport.Traffic(over: connection))
                    }
                }
            }
            for node in [first, second] {
                try node.restart()
                for one in traffic { #expect(one.waitForMore(20)) }
            }
            for one in traffic {
                let report = one.stop()
                #expect(report.error == nil)
                #expect(report.lost == 0)
            }
            for node in [first, second] {
                #expect(try node.drops() == [:], "node \(node.number)")
            }
            for server in servers { server.stop() }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import TestSupport
import Testing

@testable import Datapath

/// Which port a masqueraded connection gets, and that it keeps it.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct MappingTests {
    private let first: UInt16 = 32_768

    /// What a pod (or the node) sends to the world from port 40000, as it leaves.
    private func leave(_ lab: Lab, _ source: IPAddress, _ kind: Traffic, flags: TCPFlags = .syn) throws -> NodeOutcome {
        let family: Family = source.isIPv4 ? .ipv4 : .ipv6
        let packet = kind.packet(from: source, to: Peers.world.address(family)).with { packet in
            if case .tcp(var header) = packet.transport {
                header.flags = flags
                packet.transport = .tcp(header)
            }
        }
        return try lab.leave(packet)
    }

    /// Whom the answer to what left so reaches.
    private func answer(_ lab: Lab, _ out: NodeOutcome, _ kind: Traffic) throws -> Ending? {
        let source = try #require(out.source)
        let family: Family = source.address.isIPv4 ? .ipv4 : .ipv6
        let packet = kind.packet(from: source.address, to: Peers.world.address(family), sport: source.port).reply.with {
            if case .tcp(var header) = $0.transport {
                header.flags = .synAck
                $0.transport = .tcp(header)
            }
        }
        let back = try lab.arrive(packet)
        #expect(back.packet?.isTransportChecksumRight == true)
        return back.destination
    }

    @Test(arguments: [Traffic.tcp, .udp, .echo], Family.allCases)
    func `pods with the same port to one server get ports of their own`(kind: Traffic, family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            var outs: [NodeOutcome] = []
            for pod in lab.pods {
                let out = try leave(lab, pod.address(family), kind)
                #expect(out.passes && out.packet?.isTransportChecksumRight == true)
                outs.append(out)
            }
            let ends = outs.compactMap(\.source)
            #expect(ends[0] == Ending(Lab.node(family), 40_000))
            #expect(Set(ends).count == 3)
            #expect(ends.allSatisfy { $0.address == Lab.node(family) && $0.port >= first })
            for (pod, out) in zip(lab.pods, outs) {
                #expect(try answer(lab, out, kind) == Ending(pod.address(family), 40_000))
                #expect(try leave(lab, pod.address(family), kind, flags: .push).source == out.source, "and keep them")
            }
            #expect(try lab.mappings().count == 3)
            #expect(try lab.datapath.masqueradeCounters()?.moved ?? 0 >= 2)
        }
    }

    @Test func `SCTP keeps its port or goes nowhere`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            #expect(try leave(lab, lab.a.ipv4, .sctp).source == Ending(Lab.node(.ipv4), 40_000))
            #expect(try leave(lab, lab.b.ipv4, .sctp).isDrop(DP_DROP_NAT_NO_MAPPING))
            #expect(try leave(lab, Lab.node(.ipv4), .sctp).passes, "but what is the node's own")
            #expect(try lab.mappings().count == 1)
        }
    }

    @Test(arguments: [Traffic.tcp, .udp, .echo], Family.allCases)
    func `a connection of the node with a pod's tuple goes on beside it`(kind: Traffic, family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let (pod, node) = (lab.a.address(family), Lab.node(family))
            let theirs = try leave(lab, pod, kind)
            let own = try leave(lab, node, kind)
            #expect(own.source != theirs.source && own.source?.address == node)
            #expect(own.packet?.isTransportChecksumRight == true)
            for flags in [TCPFlags.ack, .push] {
                #expect(try leave(lab, node, kind, flags: flags).source == own.source)
                #expect(try leave(lab, pod, kind, flags: flags).source == theirs.source)
                #expect(try answer(lab, own, kind) == Ending(node, 40_000))
                #expect(try answer(lab, theirs, kind) == Ending(pod, 40_000))
            }
            // It goes on so when the pod's has ended long ago.
            var timeouts = FlowTimeouts()
            try age(lab, owner: pod, by: 100_000)
            timeouts.udp = 1
            timeouts.icmp = 1
            #expect(try lab.datapath.collectMappings(timeouts: timeouts)?.removed == 0, "one must go around it still")
            #expect(try leave(lab, node, kind, flags: .push).source == own.source)
            #expect(try answer(lab, own, kind) == Ending(node, 40_000))
            // When both have ended both are forgotten.
            try age(lab, owner: pod, by: 100_000)
            try age(lab, owner: node, by: 100_000)
            #expect(try lab.datapath.collectMappings(timeouts: timeouts)?.removed == 2)
            #expect(try leave(lab, node, kind).source == Ending(node, 40_000))
            #expect(try lab.mappings().isEmpty)
        }
    }

    /// Makes mappings look as if their last packet were so many seconds ago.
    private func age(_ lab: Lab, owner: IPAddress, by seconds: Double) throws {
        let ticks = lab.datapath.clock.ticks(seconds: seconds)
        for (key, value) in try lab.mappings() where value.owner.address == owner {
            var older = value
            older.last_seen &-= ticks
            try lab.masquerading().mappings.update(key, older)
        }
    }

    @Test(arguments: [Traffic.tcp, .udp], Family.allCases)
    func `a port that the node's sockets use is no pod's`(kind: Traffic, family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let socket = try LocalSocket(family, isStream: kind == .tcp, port: 40_000)
            let out = try leave(lab, lab.a.address(family), kind)
            #expect(try leave(lab, lab.a.address(family), kind).source == out.source)
            #expect(out.source?.port != 40_000 && out.source?.address == Lab.node(family))
            #expect(try answer(lab, out, kind) == Ending(lab.a.address(family), 40_000))
            let own = kind.packet(from: Lab.node(family), to: Peers.world.address(family))
            #expect(try lab.leave(own).bytes == own.bytes, "the socket's own")
            #expect(
                try lab.arrive(
                    own.reply.with { packet in
                        if case .tcp(var header) = packet.transport {
                            header.flags = .synAck
                            packet.transport = .tcp(header)
                        }
                    }
                ).destination == Ending(Lab.node(family), 40_000))
            // And it stays where it is when the socket is closed.
            socket.close()
            #expect(try lab.datapath.collectMappings(timeouts: FlowTimeouts())?.removed == 0)
            #expect(try leave(lab, lab.a.address(family), kind, flags: .push).source == out.source)
        }
    }

    @Test(arguments: [Traffic.tcp, .udp, .echo], Family.allCases)
    func `what is evicted is one whole mapping, and comes back as it was`(kind: Traffic, family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let (a, b) = (lab.a.address(family), lab.b.address(family))
            let outs = [a: try leave(lab, a, kind), b: try leave(lab, b, kind)]
            for owner in [a, b] {
                let entry = try #require(try lab.mappings().first { $0.value.owner.address == owner })
                try lab.masquerading().mappings.delete(entry.key)
                let late = try #require(outs[owner])
                #expect(try answer(lab, late, kind) == late.source, "nobody's")
                #expect(try leave(lab, owner, kind, flags: .push).source == late.source)
                #expect(try answer(lab, late, kind) == Ending(owner, 40_000))
            }
        }
    }

    @Test(arguments: Family.allCases)
    func `TCP that was moved is found again when its rival was evicted`(family: Family) throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let (a, b) = (lab.a.address(family), lab.b.address(family))
            _ = try leave(lab, a, .tcp)
            let moved = try leave(lab, b, .tcp)
            let entry = try #require(try lab.mappings().first { $0.value.owner.address == a })
            try lab.masquerading().mappings.delete(entry.key)
            #expect(try leave(lab, b, .tcp, flags: .push).source == moved.source)
            // The next to come gets the port.
            #expect(try leave(lab, a, .tcp).source?.port == 40_000)
        }
    }

    @Test func `a full table displaces the oldest`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let size = lab.datapath.configuration.sizes.nat
            let before = try #require(try lab.datapath.collectMappings(timeouts: FlowTimeouts())).evicted
            for index in 0..<(2 * size) {
                let packet = Packet.udp(
                    from: lab.a.ipv4, to: IPAddress(v4: 0xcb00_0000 | UInt32(index)), sport: 1_000, dport: 53)
                let out = try lab.leave(packet)
                guard out.source != Ending(Lab.node(.ipv4), 1_000) else { continue }
                Issue.record("packet \(index) left as \(out.source.map { "\($0)" } ?? "nothing")")
                break
            }
            let report = try #require(try lab.datapath.collectMappings(timeouts: FlowTimeouts()))
            #expect(report.live <= size && report.live > size / 2)
            #expect(Int(report.evicted - before) == 2 * size - report.live)
        }
    }

    @Test func `when no port is left the packet is dropped`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let out = try leave(lab, lab.a.ipv4, .udp)
            let entry = try #require(
                try lab.mapping(of: out, to: Traffic.udp.packet(from: lab.a.ipv4, to: Peers.world.address(.ipv4))))
            // Every port that there is to move to.
            let ports = Array(first...UInt16.max).filter { $0 != 40_000 }
            func key(_ port: UInt16) -> nat_key {
                var key = entry.key
                key.node_port = port.bigEndian
                return key
            }
            var other = entry.value
            other.owner = dp_addr(lab.c.ipv4)
            let maps = try lab.masquerading()
            // The table has no room for all: those that this pod's connection would try are found by asking.
            var tried = 0
            while tried < 64 {
                let moved = try leave(lab, lab.b.ipv4, .udp)
                guard moved.passes, let port = moved.source?.port else {
                    #expect(moved.isDrop(DP_DROP_NAT_NO_MAPPING))
                    break
                }
                #expect(ports.contains(port))
                try maps.mappings.update(key(port), other)
                tried += 1
            }
            #expect(tried == 15, "as many as there are tries but the first")
        }
    }

    @Test func `mappings outlive the agent, in a table of another size, too`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let outs = try lab.pods.map { try leave(lab, $0.ipv4, .tcp) }
            lab.isSpoilt = true
            for size in [8_192, 4_096] {
                try lab.restart { $0.sizes.nat = size }
                #expect(lab.datapath.masquerading == nil)
                try lab.masquerade()
                #expect(try lab.masquerading().mappings.maxEntries == size)
                for (pod, out) in zip(lab.pods, outs) {
                    #expect(try leave(lab, pod.ipv4, .tcp, flags: .push).source == out.source)
                    #expect(try answer(lab, out, .tcp) == Ending(pod.ipv4, 40_000))
                }
            }
            // Given up, they are forgotten.
            try lab.datapath.setNodeNAT(nil)
            try lab.masquerade()
            #expect(try lab.mappings().isEmpty)
        }
    }

    @Test func `the connections of an address that is given back are forgotten`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let outs = try lab.pods.map { try leave(lab, $0.ipv4, .udp) }
            _ = try lab.datapath.forgetFlows(of: [lab.b.ipv4])
            #expect(Set(try lab.mappings().map(\.value.owner.address)) == [lab.a.ipv4, lab.c.ipv4])
            #expect(try answer(lab, outs[1], .udp) == outs[1].source)
        }
    }
}

/// A socket of the node's, bound to a port of any address.
final class LocalSocket {
    private var fd: Int32

    init(_ family: Family, isStream: Bool, port: UInt16) throws {
        let type = Int32((isStream ? SOCK_STREAM : SOCK_DGRAM).rawValue)
        fd = socket(family == .ipv4 ? AF_INET : AF_INET6, type, 0)
        try #require(fd >= 0)
        // struct sockaddr_in or sockaddr_in6: family, port, and zeros for any address.
        var name = [UInt8](repeating: 0, count: family == .ipv4 ? 16 : 28)
        name[0] = UInt8(family == .ipv4 ? AF_INET : AF_INET6)
        name[2...3] = [UInt8(port >> 8), UInt8(truncatingIfNeeded: port)]
        let bound = unsafe name.withUnsafeBytes { name in
            unsafe bind(fd, name.baseAddress?.assumingMemoryBound(to: sockaddr.self), socklen_t(name.count))
        }
        try #require(bound == 0)
        if isStream { try #require(listen(fd, 1) == 0) }
    }

    func close() {
        if fd >= 0 { _ = Glibc.close(fd) }
        fd = -1
    }

    deinit { close() }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import NetTypes
import Netlink
import TestSupport
import Testing

@testable import Datapath

/// The node programs on their devices, and what their maps are told.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct NodeNATTests {
    private func info(_ lab: Lab, _ side: PinPaths.Side, _ device: String = "uplink") throws -> BPFLink.Info {
        try BPFLink(pinned: lab.datapath.paths.link(side, uplink: device)).info()
    }

    private func links(_ lab: Lab) throws -> [String] {
        try Directory.names(in: lab.datapath.paths.links).filter { $0.hasPrefix("node-") }.sorted()
    }

    /// Without the endpoints, which are attached nowhere here.
    private func repair(_ lab: Lab) throws -> [String] {
        try lab.datapath.verifyAndRepair(against: lab.base()).repaired.filter { !$0.contains("endpoint") }.sorted()
    }

    private func secondUplink(_ lab: Lab) throws -> NodeNAT.Uplink {
        lab.isSpoilt = true
        return .init(
            name: "second", ifindex: try VethPair("second", "beyond").first, ipv4: address("192.168.60.2"), ipv6: nil)
    }

    @Test func `programs are on the devices that are listed, and on no others`() throws {
        try Lab.run { lab throws in
            let second = try secondUplink(lab)
            try lab.masquerade()
            #expect(try links(lab) == ["node-from-uplink", "node-to-uplink"])
            #expect(try info(lab, .from).attachPoint == .tcxIngress)
            #expect(try info(lab, .to).attachPoint == .tcxEgress)
            #expect(try info(lab, .from).ifindex == lab.uplink)
            let first = try info(lab, .from)
            try lab.masquerade { $0.uplinks.append(second) }
            #expect(try links(lab).count == 4)
            #expect(try info(lab, .from) == first, "what was right is not touched")
            // What leaves by each has its address.
            let packet = Traffic.udp.packet(from: lab.a.ipv4, to: Peers.world.address(.ipv4))
            let context = SkbContext(ifindex: second.ifindex, ingressIfindex: lab.a.ifindex)
            let out = try lab.masquerading().toNode.testRun(packet.bytes, context: context)
            #expect(ParsedPacket(out.packet)?.ip?.source == second.ipv4)
            try lab.masquerade { $0.uplinks = [second] }
            #expect(try links(lab) == ["node-from-second", "node-to-second"])
            #expect(try lab.masquerading().devices.count() == 1)
            try lab.datapath.setNodeNAT(nil)
            #expect(try links(lab).isEmpty)
            #expect(try lab.datapath.dump(map: "nat")?.rows.isEmpty == true)
        }
    }

    @Test func `the next start replaces the programs in place, and takes off what is not wanted`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let before = try (info(lab, .from), info(lab, .to))
            lab.isSpoilt = true
            try lab.restart()
            try lab.datapath.finishStart()
            #expect(try info(lab, .from) == before.0, "until it is said what is wanted")
            try lab.masquerade()
            let after = try (info(lab, .from), info(lab, .to))
            #expect(after.0.id == before.0.id && after.1.id == before.1.id, "the same links")
            #expect(try after.0.programID == lab.masquerading().fromNode.info().id)
            #expect(try after.1.programID == lab.masquerading().toNode.info().id)
            #expect(after.0.programID != before.0.programID)
            try lab.restart()
            try lab.datapath.setNodeNAT(nil)
            #expect(try links(lab).isEmpty)
            try lab.restart()
            try lab.masquerade()
            try lab.datapath.detachAll()
            #expect(throws: BPFError.self) { try BPFLink(id: after.0.id).info() }
            #expect(!(try Directory.namesIfThere(in: lab.datapath.paths.root).contains("links")))
        }
    }

    @Test func `a device of another number under the name gets its own programs`() throws {
        try Lab.run { lab throws in
            var second = try secondUplink(lab)
            try lab.masquerade { $0.uplinks = [second] }
            var socket = try NetlinkSocket()
            try socket.deleteLink(.name("second"))
            // Nothing to translate, and no error.
            try lab.masquerade { $0.uplinks = [second] }
            second.ifindex = try VethPair("second", "beyond").first
            try lab.masquerade { $0.uplinks = [second] }
            #expect(try info(lab, .from, "second").ifindex == second.ifindex)
            #expect(try info(lab, .to, "second").ifindex == second.ifindex)
        }
    }

    @Test func `what somebody's hand has changed is put right`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let maps = try lab.masquerading()
            #expect(try repair(lab).isEmpty)
            try maps.prefixes.delete(cidr_key(prefix("10.0.0.0/8")))
            try maps.prefixes.update(cidr_key(prefix("203.0.113.0/24")), nat_prefix(flags: 1))
            try maps.prefixes.update(cidr_key(prefix("10.1.0.0/24")), nat_prefix(flags: 1))
            try maps.devices.delete(lab.uplink)
            try maps.devices.update(7_777, nat_device())
            try BPFLink(pinned: lab.datapath.paths.link(.to, uplink: "uplink")).detach()
            #expect(
                try repair(lab) == [
                    "links: device uplink", "nat_devices: 7777", "nat_devices: \(lab.uplink)",
                    "nat_prefixes: 10.0.0.0/8",
                    "nat_prefixes: 10.1.0.0/24", "nat_prefixes: 203.0.113.0/24",
                ])
            #expect(try info(lab, .to).ifindex == lab.uplink)
            let packet = Traffic.udp.packet(from: lab.a.ipv4, to: Peers.world.address(.ipv4))
            #expect(try lab.leave(packet).source?.address == Lab.node(.ipv4))
            #expect(try repair(lab).isEmpty)
        }
    }

    @Test func `more prefixes than there is room for change nothing, and name the setting`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            let many = (0..<300).compactMap { Prefix(IPAddress(v4: 0xc600_0000 | $0 << 8), length: 24) }
            do {
                try lab.masquerade { $0.excluded.formUnion(many) }
                Issue.record("300 prefixes fit")
            } catch {
                #expect("\(error)".contains("--map-nat-prefixes"))
            }
            #expect(try lab.masquerading().prefixes.count() == lab.nodeNAT.prefixEntries.count)
            // As many as there is room for, in the place of as many others.
            let room = lab.datapath.configuration.sizes.natPrefixes
            for part in [many.prefix(room - 2), many.suffix(room - 2)] {
                try lab.masquerade { $0.excluded = Set(part) }
                #expect(try lab.masquerading().prefixes.count() == room)
            }
        }
    }

    @Test func `what there is can be shown`() throws {
        try Lab.run { lab throws in
            try lab.masquerade()
            _ = try lab.leave(.tcp(from: lab.a.ipv4, to: Peers.world.address(.ipv4), sport: 5_000, dport: 443))
            let rows = try #require(try lab.datapath.dump(map: "nat")).rows
            #expect(
                rows == [
                    [
                        "TCP", "\(lab.a.ipv4):5000", "192.168.50.2:5000", "203.0.113.5:443", "opening",
                        rows.first?[5] ?? "",
                    ]
                ])
            let prefixes = try #require(try lab.datapath.dump(map: "nat_prefixes")).rows
            #expect(prefixes.contains(["10.1.0.0/24", "pods, not masqueraded"]))
            #expect(prefixes.contains(["fd00::/8", "not masqueraded"]))
            _ = try lab.datapath.collectMappings(timeouts: FlowTimeouts())
            let usage = try lab.datapath.mapUsage()
            let nat = try #require(usage.first { $0.name == "nat" })
            #expect(nat.entries == 1 && nat.maxEntries == 8_192 && nat.setting == "map-nat")
            #expect(usage.contains { $0.name == "nat_prefixes" && $0.setting == "map-nat-prefixes" })
            #expect(usage.contains { $0.name == "node_fragments" })
        }
    }

    @Test func `kernels without TCX get filters, beside others'`() throws {
        try Lab.run({ $0.tcx = false }) { lab throws in
            lab.isSpoilt = true
            func filters(_ device: UInt32) throws -> [TrafficFilter] {
                var socket = try NetlinkSocket()
                return try TrafficDirection.allCases.flatMap {
                    try socket.filters(link: Int32(device), direction: $0)
                }
            }
            let second = try secondUplink(lab)
            var socket = try NetlinkSocket()
            try socket.perform(.addClsact(link: Int32(lab.uplink)))
            let other = try BPFProgram(assembling: "other", type: .trafficControl, [.set(0, 0), .exit])
            try other.withDescriptor { descriptor throws(SystemError) in
                try socket.perform(
                    .replaceFilter(link: Int32(lab.uplink), direction: .ingress, program: descriptor, name: "other"))
            }
            try lab.masquerade { $0.uplinks.append(second) }
            #expect(Set(try filters(lab.uplink).map(\.name)) == ["other", "skein-node-from", "skein-node-to"])
            #expect(try filters(second.ifindex).count == 2)
            #expect(try repair(lab).isEmpty)
            try lab.restart { $0.tcx = false }
            try lab.masquerade()
            let programs = try [lab.masquerading().fromNode.info().id, lab.masquerading().toNode.info().id]
            #expect(Set(try filters(lab.uplink).compactMap(\.programID)).isSuperset(of: programs))
            #expect(try filters(second.ifindex).isEmpty)
            try lab.datapath.setNodeNAT(nil)
            #expect(try filters(lab.uplink).map(\.name) == ["other"])
        }
    }
}

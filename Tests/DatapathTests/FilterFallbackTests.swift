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

/// Kernels without TCX links: filters on the clsact qdisc.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct FilterFallbackTests {
    private func filters(_ pod: TestPod) throws -> [TrafficFilter] {
        var socket = try NetlinkSocket()
        return try TrafficDirection.allCases.flatMap {
            try socket.filters(link: Int32(pod.ifindex), direction: $0)
        }
    }

    private func attachAll(_ lab: Lab) throws { for pod in lab.pods { try lab.datapath.attach(pod.number) } }

    @Test func `filters are put on both directions, replaced by the next start and removed`() throws {
        try Lab.run({ $0.tcx = false }) { lab throws in
            #expect(!lab.datapath.usesTCX)
            try attachAll(lab)
            try attachAll(lab)
            let old = try [lab.datapath.fromEndpoint.info().id, lab.datapath.toEndpoint.info().id]
            for pod in lab.pods {
                let found = try filters(pod)
                #expect(found.map(\.direction) == [.ingress, .egress])
                #expect(found.map(\.programID) == old)
                #expect(found.allSatisfy { $0.isDirectAction && $0.kind == "bpf" })
                #expect(found.map(\.name) == ["skein-from", "skein-to"])
            }
            #expect(try Directory.names(in: lab.datapath.paths.links) == [])

            try lab.restart { $0.tcx = false }
            #expect(try filters(lab.a).map(\.programID) == old, "until they are attached")
            try attachAll(lab)
            try lab.datapath.finishStart()
            let new = try [lab.datapath.fromEndpoint.info().id, lab.datapath.toEndpoint.info().id]
            for pod in lab.pods { #expect(try filters(pod).map(\.programID) == new) }

            try lab.datapath.removeEndpoint(lab.a.number)
            #expect(try filters(lab.a).isEmpty)
            #expect(try filters(lab.b).count == 2)
            lab.isSpoilt = true
            try lab.datapath.detachAll()
            for pod in lab.pods { #expect(try filters(pod).isEmpty) }
        }
    }

    @Test func `another's filters and a device that is gone are no trouble`() throws {
        try Lab.run({ $0.tcx = false }) { lab throws in
            try attachAll(lab)
            lab.isSpoilt = true
            var socket = try NetlinkSocket()
            let other = try BPFProgram(assembling: "other", type: .trafficControl, [.set(0, 0), .exit])
            try other.withDescriptor { descriptor throws(SystemError) in
                try socket.perform(
                    .replaceFilter(
                        link: Int32(lab.a.ifindex), direction: .ingress, program: descriptor, name: "other", handle: 7,
                        priority: 9))
            }
            try lab.datapath.removeEndpoint(lab.a.number)
            #expect(try filters(lab.a).map(\.name) == ["other"])
            try socket.deleteLink(.name(lab.b.name))
            try lab.datapath.removeEndpoint(lab.b.number)
            #expect(throws: (any Error).self) {
                try lab.datapath.setEndpoint(lab.b.endpoint, view: lab.b.view(policy: 1))
                try lab.datapath.attach(lab.b.number)
            }
        }
    }

    @Test func `the filters judge packets from the wire`() throws {
        try Lab.run({ $0.tcx = false }) { lab throws in
            try attachAll(lab)
            let wire = try PacketSocket(device: "in-\(lab.a.name)")
            let spoofed = Talk(client: lab.b.ipv4, server: lab.c.ipv4).opening.sent(by: lab.a)
            let counter = DropCounter(reason: DP_DROP_INVALID_SOURCE_IP.rawValue, fromPod: true)
            try wire.send(spoofed.bytes)
            #expect(try eventually { try lab.packets(at: counter.index) == 1 })
        }
    }

    @Test func `a filter that is taken away is found and put back`() throws {
        try Lab.run({ $0.tcx = false }) { lab throws in
            try attachAll(lab)
            var socket = try NetlinkSocket()
            try socket.perform(.deleteFilter(link: Int32(lab.a.ifindex), direction: .ingress))
            #expect(try lab.datapath.verifyAndRepair(against: lab.base()).repaired.count == 1)
            #expect(try filters(lab.a).count == 2)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc
import Kernel
import TestSupport
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct BPFLinkTests {
    private func program(_ name: String, _ type: ProgramType = .trafficControl) throws(BPFError) -> BPFProgram {
        try BPFProgram(assembling: name, type: type, [.set(0, type == .xdp ? 2 : 0), .exit])
    }

    @Test(
        .enabled(if: (try? KernelFeatures.probe().tcxLinks) == true, "needs TCX links (Linux 6.6)"),
        arguments: [BPFLink.AttachPoint.tcxIngress, .tcxEgress])
    func `a link is attached, replaced, pinned, opened and detached`(point: BPFLink.AttachPoint) throws {
        let pins = try TemporaryDirectory.forPins()
        let path = pins.file("link")
        try ScratchNamespace.run {
            let veth = try VethPair()
            let first = try program("first")
            let second = try program("second")
            var id: UInt32 = 0
            do {
                let link = try BPFLink(attaching: first, to: point, ifindex: veth.first)
                let info = try link.info()
                #expect(info.ifindex == veth.first)
                #expect(info.attachPoint == point)
                #expect(try info.programID == first.info().id)
                id = info.id
                try link.pin(to: path)
            }
            let link = try BPFLink(pinned: path)
            #expect(try link.info().id == id)
            try link.update(to: second)
            #expect(try link.info().programID == second.info().id)
            #expect(try link.info().id == id)

            try link.detach()
            #expect(try link.info().ifindex == 0)
            try link.detach()
            #expect(errno { () throws(BPFError) in try link.update(to: first) } != nil)
        }
    }

    @Test(.enabled(if: (try? KernelFeatures.probe().tcxLinks) == true, "needs TCX links (Linux 6.6)"))
    func `a link without a pin goes with its owner`() throws {
        try ScratchNamespace.run {
            let program = try program("brief")
            var id: UInt32 = 0
            do { id = try BPFLink(attaching: program, to: .tcxIngress, ifindex: loopbackIndex).info().id }
            #expect(eventually { !linkExists(id) })
        }
    }

    @Test(.enabled(if: (try? KernelFeatures.probe().tcxLinks) == true, "needs TCX links (Linux 6.6)"))
    func `a link of a device that is gone says so`() throws {
        let program = try program("orphan")
        let link = try ScratchNamespace.run { () throws(BPFError) in
            try BPFLink(attaching: program, to: .tcxIngress, ifindex: loopbackIndex)
        }
        // The namespace goes, and its loopback with it, some time after its last descriptor.
        #expect(try eventually { try link.info().ifindex == 0 })
    }

    @Test(.enabled(if: (try? KernelFeatures.probe().tcxLinks) == true, "needs TCX links (Linux 6.6)"))
    func `packets meet the program of the link, and from one to the next its successor`() throws {
        try ScratchNamespace.run {
            try bringLoopbackUp()
            let receiver = try DatagramSocket()
            let sender = try DatagramSocket()
            let drop = try BPFProgram(assembling: "drop", type: .trafficControl, [.set(0, 2), .exit])
            let link = try BPFLink(attaching: drop, to: .tcxIngress, ifindex: loopbackIndex)
            sender.send([1], to: receiver.port)
            sender.send([2], to: receiver.port)
            try link.update(to: program("pass"))
            sender.send([3], to: receiver.port)
            // What is sent on the loopback device arrives in order: had the others passed, they were first.
            #expect(receiver.receive(timeout: 5000) == [3])
            try link.update(to: drop)
            sender.send([4], to: receiver.port)
            try link.detach()
            sender.send([5], to: receiver.port)
            #expect(receiver.receive(timeout: 5000) == [5])
        }
    }

    @Test func `XDP is attached to a veth in native mode`() throws {
        let pins = try TemporaryDirectory.forPins()
        try ScratchNamespace.run {
            let veth = try VethPair()
            let program = try program("native", .xdp)
            let link = try BPFLink.attachXDP(program, ifindex: veth.second)
            #expect(link.xdpMode == .native)
            #expect(try link.info().ifindex == veth.second)
            try link.pin(to: pins.file("xdp"))
            #expect(try BPFLink(pinned: pins.file("xdp")).info() == link.info())
        }
    }

    @Test func `XDP falls back to generic mode where the driver has no native one`() throws {
        try ScratchNamespace.run {
            let program = try program("xdp", .xdp)
            #expect(
                errno { () throws(BPFError) in
                    _ = try BPFLink(attachingXDP: program, ifindex: loopbackIndex, mode: .native)
                } == .notSupported)
            let link = try BPFLink.attachXDP(program, ifindex: loopbackIndex)
            #expect(link.xdpMode == .generic)
            #expect(try link.info().attachPoint == .xdp)
            #expect(try link.info().ifindex == loopbackIndex)
            let next = try self.program("next", .xdp)
            try link.update(to: next)
            #expect(try link.info().programID == next.info().id)
            #expect(
                errno { () throws(BPFError) in
                    _ = try BPFLink(attachingXDP: program, ifindex: loopbackIndex, mode: .generic)
                } == .busy)
        }
    }

    @Test func `a device that is not there is named`() throws {
        let program = try program("nowhere", .xdp)
        #expect {
            _ = try BPFLink(attachingXDP: program, ifindex: 54_321, mode: .generic)
        } throws: { "\($0)".contains("program nowhere to XDP (generic) of device 54321") }
    }

    private func linkExists(_ id: UInt32) -> Bool { (try? BPFLink(id: id)) != nil }
}

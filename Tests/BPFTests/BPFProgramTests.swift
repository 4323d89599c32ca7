// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc
import Kernel
import TestSupport
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct BPFProgramTests {
    @Test(arguments: [0, 2, 7, -1] as [Int32])
    func `a test run gives the verdict and the packet`(verdict: Int32) throws {
        let program = try BPFProgram(assembling: "fixed", type: .trafficControl, [.set(0, verdict), .exit])
        let run = try program.testRun(frame)
        #expect(run.verdict == verdict)
        #expect(run.packet == frame)
        #expect(try program.testRun(frame, returnsPacket: false).packet.isEmpty)
    }

    @Test func `the context goes in and comes out`() throws {
        // mark = ifindex + ingress_ifindex, through cb[0]; returns the old mark.
        let program = try BPFProgram(
            assembling: "context", type: .trafficControl,
            [
                .load32(0, 1, offset: 8), .load32(2, 1, offset: 40), .store32(1, 2, offset: 8),
                .load32(3, 1, offset: 36), .store32(1, 3, offset: 48), .exit,
            ])
        try ScratchNamespace.run {
            let run = try program.testRun(frame, context: SkbContext(ifindex: 1, ingressIfindex: 5, mark: 77))
            #expect(run.verdict == 77)
            #expect(run.context?.mark == 1)
            #expect(run.context?.control.0 == 5)
            #expect(
                errno { () throws(BPFError) in
                    _ = try program.testRun(frame, context: SkbContext(ifindex: 12_345))
                } == .noDevice)
        }
    }

    @Test func `a frame that is too short is refused`() throws {
        let program = try BPFProgram(assembling: "short", type: .trafficControl, [.set(0, 0), .exit])
        #expect(errno { () throws(BPFError) in _ = try program.testRun([1, 2, 3]) } == .invalid)
    }

    @Test func `repetitions are timed`() throws {
        let program = try BPFProgram(assembling: "timed", type: .xdp, [.set(0, 2), .exit])
        let run = try program.testRun(frame, repetitions: 10_000)
        #expect(run.verdict == 2)
        #expect(run.nanoseconds < 100_000)
    }

    @Test func `the kernel's view of a program`() throws {
        let program = try BPFProgram(assembling: "viewed", type: .trafficControl, [.set(0, 0), .exit])
        let info = try program.info()
        #expect(info.name == "viewed")
        #expect(info.type == .trafficControl)
        #expect(info.tag.count == 16)
        #expect(info.translatedSize == 16)
        #expect(info.verifiedInstructions == 2 || info.verifiedInstructions == 0)
        #expect(try BPFProgram(id: info.id).info() == info)
    }

    @Test func `a program outlives its owner by a pin, and no longer`() throws {
        let pins = try TemporaryDirectory.forPins()
        var id: UInt32 = 0
        do {
            let program = try BPFProgram(assembling: "pinned", type: .trafficControl, [.set(0, 3), .exit])
            try program.pin(to: pins.file("program"))
            id = try program.info().id
        }
        do {
            let found = try BPFProgram(pinned: pins.file("program"))
            #expect(found.name == "pinned")
            #expect(try found.testRun(frame).verdict == 3)
        }
        try BPFPin.remove(pins.file("program"))
        #expect(
            eventually { errno { () throws(BPFError) in _ = try BPFProgram(id: id) } == .noEntry })
    }

    @Test func `what the verifier refuses comes with its reason`() throws {
        #expect {
            _ = try BPFProgram(assembling: "wild", type: .trafficControl, [.move(0, 5), .exit])
        } throws: { error in
            "\(error)".hasPrefix("cannot load program wild: ") && "\(error)".contains("R5 !read_ok")
        }
    }
}

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct KernelFeaturesTests {
    @Test func `probing names every feature and leaves nothing behind`() throws {
        // Descriptors of this process: probes in other processes and tests of this one don't count.
        let features = try KernelFeatures.probe()
        #expect(Set(features.all.map(\.name)).count == features.all.count)
        #expect(features.all.allSatisfy { !$0.fallback.isEmpty })
        #expect(features.missing.isEmpty)
        #expect(features.missing.isEmpty)
        #expect(try probes().isEmpty)
    }

    /// Maps and programs of this process that are named as the probes name theirs.
    private func probes() throws -> [String] {
        try Directory.names(in: "/proc/self/fdinfo").filter { name in
            guard let file = try? OwnedFD.open("/proc/self/fdinfo/\(name)", O_RDONLY), let bytes = try? file.readAll(),
                let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
                    .first(where: { $0.hasPrefix("map_id:") || $0.hasPrefix("prog_id:") }),
                let id = line.split(separator: "\t").last.flatMap({ UInt32($0) })
            else { return false }
            if line.hasPrefix("map_id:") { return (try? MapHandle(id: id).info.name) == "probe" }
            return (try? BPFProgram(id: id).name) == "probe"
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc
import Kernel
import Testing

@Suite struct BPFErrorTests {
    @Test(arguments: [E2BIG, ENOSPC])
    func `a full map is named with its size`(errno: Int32) {
        let error = BPFError(
            "update", "map flows", errno: errno, reason: .full(map: "flows", maxEntries: 65_536))
        #expect(error.description == "cannot update map flows: map flows is full (65536 entries)")
        #expect(error.fullMap == "flows")
    }

    @Test func `a system error says what was tried, on what, and why`() {
        let error = BPFError("attach", "program p to tcxIngress of device 7", errno: ENODEV)
        #expect(
            error.description
                == "cannot attach program p to tcxIngress of device 7: No such device (ENODEV)")
        #expect(error.errno == .noDevice)
        #expect(error.fullMap == nil)
    }

    @Test func `the kernel's own ENOTSUPP has a text`() {
        let error = BPFError("read", "map m", errno: 524)
        #expect(error.description == "cannot read map m: operation not supported by this kernel")
        #expect(error.errno == .notSupportedByKernel)
    }

    @Test func `libbpf's lines follow the cause`() {
        let error = BPFError("load", "object file x.o", errno: EINVAL, log: "R0 !read_ok")
        #expect(error.description == "cannot load object file x.o: Invalid argument (EINVAL)\nR0 !read_ok")
    }

    @Test func `an object file that is not there is named, with what libbpf said`() {
        #expect {
            _ = try BPFSpec(path: "/nonexistent/x.bpf.o")
        } throws: { error in
            guard let error = error as? BPFError else { return false }
            return error.errno == .noEntry && "\(error)".contains("/nonexistent/x.bpf.o") && !error.log.isEmpty
        }
    }

    @Test func `elements of kernel arrays are 8 bytes apart or a multiple of it`() {
        #expect(MappedArray<UInt32>.stride == 8)
        #expect(MappedArray<UInt64>.stride == 8)
        #expect(MappedArray<Triple>.stride == 16)
        #expect(PerCPUArray<UInt32>.stride == 8)
        #expect(PerCPUArray<Counter>.stride == 16)
        #expect(Processors.possible >= 1)
    }
}

/// 12 bytes: not a multiple of the kernel's 8.
struct Triple: Equatable {
    var first: UInt32 = 0
    var second: UInt32 = 0
    var third: UInt32 = 0
}

struct Counter: Equatable {
    var packets: UInt64 = 0
    var bytes: UInt64 = 0
}

// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// What a tc program sees in `struct __sk_buff` besides the packet. All fields that BPF_PROG_TEST_RUN lets one set.
package struct SkbContext: Sendable {
    package var mark: UInt32
    package var priority: UInt32
    /// The device that the packet is on. Looked up in the network namespace of the calling thread; 0: its loopback.
    package var ifindex: UInt32
    package var ingressIfindex: UInt32
    /// `cb[0...4]`
    package var control: (UInt32, UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0, 0)
    package var gsoSize: UInt32
    package var gsoSegments: UInt32

    package init(
        ifindex: UInt32 = 0, ingressIfindex: UInt32 = 0, mark: UInt32 = 0, priority: UInt32 = 0, gsoSize: UInt32 = 0,
        gsoSegments: UInt32 = 0
    ) {
        self.ifindex = ifindex
        self.ingressIfindex = ingressIfindex
        self.mark = mark
        self.priority = priority
        self.gsoSize = gsoSize
        self.gsoSegments = gsoSegments
    }
}

/// What came out of BPF_PROG_TEST_RUN.
package struct TestRunResult: Sendable {
    /// The program's return value: TC_ACT_* (as a signed number) or XDP_*.
    package let verdict: Int32
    /// The packet afterwards; empty if it was not asked for.
    package let packet: [UInt8]
    /// The context afterwards: mark, priority and cb as the program left them. Nil for runs without one.
    package let context: SkbContext?
    /// Mean duration of one repetition.
    package let nanoseconds: UInt32
}

extension BPFProgram {
    /// Runs the program on a packet in the kernel, without sending it.
    ///
    /// A tc program's packet begins with its Ethernet header, 14 bytes at least (EINVAL below); the kernel sets
    /// skb->protocol from it. All repetitions use one skb: a program that changes the packet sees its own changes.
    ///
    /// - Parameters:
    ///   - context: only for tc programs. Its devices must be in the calling thread's network namespace.
    ///   - repetitions: how often, for measuring; at least 1.
    ///   - returnsPacket: false saves the copy.
    ///   - sumsPacket: as a device does that has computed the checksum of the whole packet (CHECKSUM_COMPLETE). EBADMSG when
    ///     it is not right any more afterwards; EINVAL before Linux 6.16.
    package func testRun(
        _ packet: [UInt8], context: SkbContext? = nil, repetitions: Int = 1, returnsPacket: Bool = true,
        sumsPacket: Bool = false
    ) throws(BPFError) -> TestRunResult {
        var skb = unsafe __sk_buff()
        if let context { unsafe context.write(to: &skb) }
        var run = unsafe clibbpf_run()
        unsafe run.repeat = UInt32(clamping: max(1, repetitions))
        unsafe run.data_in_size = UInt32(clamping: packet.count)
        unsafe run.flags = sumsPacket ? 1 << 2 : 0  // BPF_F_TEST_SKB_CHECKSUM_COMPLETE
        var result: Int32 = 0
        let room = returnsPacket ? packet.count + 512 : 0
        let output = unsafe [UInt8](unsafeUninitializedCapacity: room) { output, filled in
            unsafe packet.withUnsafeBytes { input in
                unsafe withUnsafeMutablePointer(to: &skb) { skb in
                    unsafe run.data_in = input.baseAddress
                    unsafe run.data_out = returnsPacket ? UnsafeMutableRawPointer(output.baseAddress) : nil
                    if context != nil {
                        unsafe run.context = UnsafeMutableRawPointer(skb)
                        unsafe run.context_size = UInt32(unsafe MemoryLayout<__sk_buff>.size)
                    }
                    var attempts = 0
                    repeat {
                        unsafe run.data_out_size = UInt32(clamping: room)
                        result = unsafe clibbpf_run(raw, &run)
                        attempts += 1
                    } while result == -EINTR && attempts < 8
                }
            }
            filled = result == 0 && returnsPacket ? unsafe min(room, Int(run.data_out_size)) : 0
        }
        try check(result, "test-run", "program \(name)")
        return unsafe TestRunResult(
            verdict: Int32(bitPattern: run.verdict), packet: output,
            context: context.map { unsafe $0.updated(from: skb) }, nanoseconds: run.nanoseconds)
    }
}

extension SkbContext {
    fileprivate func write(to skb: inout __sk_buff) {
        unsafe skb.mark = mark
        unsafe skb.priority = priority
        unsafe skb.ifindex = ifindex
        unsafe skb.ingress_ifindex = ingressIfindex
        unsafe skb.cb = control
        unsafe skb.gso_size = gsoSize
        unsafe skb.gso_segs = gsoSegments
    }

    fileprivate func updated(from skb: __sk_buff) -> SkbContext {
        var copy = self
        unsafe copy.mark = skb.mark
        unsafe copy.priority = skb.priority
        unsafe copy.control = skb.cb
        return copy
    }
}

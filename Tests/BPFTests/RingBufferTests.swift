// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc
import Kernel
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct RingBufferTests {
    /// A program that writes a record of 16 bytes, 7 and 9.
    private func writer(_ descriptor: Int32) throws(BPFError) -> BPFProgram {
        try BPFProgram(
            assembling: "writer", type: .trafficControl,
            [
                .storeStack(offset: -16, 7), .storeStack(offset: -8, 9), .move(2, 10), .add(2, -16), .set(3, 16),
                .set(4, 0), .loadMap(1, descriptor: descriptor), .call(.ringBufferOutput), .exit,
            ])
    }

    private func map(pages: Int = 1) throws(BPFError) -> MapHandle {
        try MapHandle(
            creating: .ringBuffer, name: "ring", keySize: 0, valueSize: 0, maxEntries: pages * Int(getpagesize()))
    }

    @Test func `records come in order and once`() throws {
        let handle = try map()
        let program = try handle.withDescriptor { descriptor throws(BPFError) in try writer(descriptor) }
        var ring = try RingBuffer(handle)
        #expect(try ring.consume { _ in } == 0)
        #expect(try ring.poll(timeout: 0) { _ in } == 0)
        for _ in 0..<3 { #expect(try program.testRun(frame).verdict == 0) }
        var records: [Counter] = []
        #expect(try ring.consume(as: Counter.self) { records.append($0) } == 0)
        #expect(records == [Counter](repeating: Counter(packets: 7, bytes: 9), count: 3))
        #expect(try ring.consume { _ in } == 0)
    }

    @Test func `a limit leaves the rest for the next call`() throws {
        let handle = try map()
        let program = try handle.withDescriptor { descriptor throws(BPFError) in try writer(descriptor) }
        var ring = try RingBuffer(handle)
        for _ in 0..<5 { _ = try program.testRun(frame) }
        var sizes: [Int] = []
        #expect(try ring.consume(limit: 2) { sizes.append($0.byteCount) } == 2)
        #expect(try ring.poll(timeout: 1000) { sizes.append($0.byteCount) } == 3)
        #expect(sizes == [16, 16, 16, 16, 16])
    }

    @Test func `a record of another size is counted, not read`() throws {
        let handle = try map()
        let program = try handle.withDescriptor { descriptor throws(BPFError) in try writer(descriptor) }
        var ring = try RingBuffer(handle)
        _ = try program.testRun(frame)
        var read = 0
        #expect(try ring.consume(as: Triple.self) { _ in read += 1 } == 1)
        #expect(read == 0)
    }

    @Test func `a full buffer refuses records and goes on when it is read`() throws {
        let handle = try map()
        let program = try handle.withDescriptor { descriptor throws(BPFError) in try writer(descriptor) }
        var ring = try RingBuffer(handle)
        var written = 0
        while written < 1000, try program.testRun(frame).verdict == 0 { written += 1 }
        #expect(written > 100 && written < 1000)
        #expect(try ring.consume { _ in } == written)
        #expect(try program.testRun(frame).verdict == 0)
        #expect(try ring.consume { _ in } == 1)
    }

    @Test func `the epoll descriptor becomes readable with a record`() throws {
        let handle = try map()
        let program = try handle.withDescriptor { descriptor throws(BPFError) in try writer(descriptor) }
        var ring = try RingBuffer(handle)
        #expect(try waitForInput([ring.epollDescriptor], timeout: 0).isEmpty)
        _ = try program.testRun(frame)
        #expect(try waitForInput([ring.epollDescriptor], timeout: 5000) == [0])
        try ring.consume { _ in }
    }

    @Test func `another kind of map is refused`() throws {
        #expect {
            _ = try RingBuffer(MapHandle(creating: .hash, name: "nope", keySize: 4, valueSize: 4, maxEntries: 1))
        } throws: { "\($0)" == "cannot use map nope: type is hash, not ringbuf" }
    }
}

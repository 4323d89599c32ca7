// SPDX-License-Identifier: Apache-2.0
import CLibbpf
import Glibc

/// The reading end of a BPF_MAP_TYPE_RINGBUF map. One reader at a time, in one process.
///
/// Reading allocates nothing. What the programs could not write because the buffer was full is not seen here: they
/// count it themselves.
@safe package struct RingBuffer: ~Copyable, @unchecked Sendable {
    /// Where the callback finds the closure of the current call.
    private struct Receiver {
        var body: ((RawSpan) -> Void)?
        var left = 0
        var count = 0
    }

    package let handle: MapHandle
    private let ring: OpaquePointer
    private let receiver: UnsafeMutablePointer<Receiver>

    package init(_ handle: consuming MapHandle) throws(BPFError) {
        try handle.requireLayout(type: [.ringBuffer], key: nil, value: nil)
        let receiver = UnsafeMutablePointer<Receiver>.allocate(capacity: 1)
        unsafe receiver.initialize(to: Receiver())
        var opened: OpaquePointer?
        let raw = handle.raw
        do {
            try LibbpfLog.capture("read", "ring buffer \(handle.info.name)") {
                unsafe clibbpf_ring_open(raw, Self.deliver, receiver, &opened)
            }
        } catch {
            unsafe receiver.deinitialize(count: 1)
            unsafe receiver.deallocate()
            throw error
        }
        guard let ring = unsafe opened else {
            throw BPFError("read", "ring buffer \(handle.info.name)", errno: EFAULT)
        }
        self.handle = handle
        unsafe self.ring = ring
        unsafe self.receiver = receiver
    }

    deinit {
        unsafe ring_buffer__free(ring)
        unsafe receiver.deinitialize(count: 1)
        unsafe receiver.deallocate()
    }

    /// Readable when there are records, for an epoll set of one's own. Belongs to this value.
    package var epollDescriptor: Int32 { unsafe ring_buffer__epoll_fd(ring) }

    /// Hands over the records that are there and returns how many they were. Does not block.
    ///
    /// - Parameters:
    ///   - limit: at most so many, so that programs that write as fast as they are read do not hold the caller.
    ///   - body: gets each record's bytes, 8-byte aligned, valid only during the call.
    @discardableResult
    package mutating func consume(
        limit: Int = 65_536, _ body: (RawSpan) -> Void
    ) throws(BPFError) -> Int {
        try unsafe deliver(limit: limit, body) { unsafe ring_buffer__consume($0) }
    }

    /// As `consume`, but waits for the first record. Returns 0 after the time or when a signal came.
    ///
    /// - Parameter timeout: milliseconds; -1 waits for ever.
    @discardableResult
    package mutating func poll(
        timeout: Int32, limit: Int = 65_536, _ body: (RawSpan) -> Void
    ) throws(BPFError) -> Int {
        try unsafe deliver(limit: limit, body) { unsafe ring_buffer__poll($0, timeout) }
    }

    /// As `consume`, for records that are all one C struct. Returns how many records had another size and were left
    /// out.
    @discardableResult
    package mutating func consume<Record: BitwiseCopyable>(
        as type: Record.Type, limit: Int = 65_536, _ body: (Record) -> Void
    ) throws(BPFError) -> Int {
        var malformed = 0
        try consume(limit: limit) { bytes in
            if bytes.byteCount == MemoryLayout<Record>.size {
                body(unsafe bytes.unsafeLoad(as: Record.self))
            } else {
                malformed += 1
            }
        }
        return malformed
    }

    private mutating func deliver(
        limit: Int, _ body: (RawSpan) -> Void, _ call: (OpaquePointer) -> Int32
    ) throws(BPFError) -> Int {
        guard limit > 0 else { return 0 }
        var result: Int32 = 0
        var count = 0
        withoutActuallyEscaping(body) { body in
            unsafe receiver.pointee = Receiver(body: body, left: limit)
            result = unsafe call(ring)
            count = unsafe receiver.pointee.count
            unsafe receiver.pointee.body = nil
        }
        if result < 0, result != -EINTR, result != -ECANCELED {
            throw BPFError("read", "ring buffer \(handle.info.name)", errno: -result)
        }
        return count
    }

    private static let deliver: clibbpf_record_fn = { context, data, length in
        guard let receiver = unsafe context?.assumingMemoryBound(to: Receiver.self) else { return -EINVAL }
        unsafe receiver.pointee.body?(UnsafeRawBufferPointer(start: data, count: length).bytes)
        unsafe receiver.pointee.count += 1
        unsafe receiver.pointee.left -= 1
        return unsafe receiver.pointee.left > 0 ? 0 : -ECANCELED
    }
}

// SPDX-License-Identifier: Apache-2.0
import CLibbpf

/// The last bytes of what libbpf printed during one call on this thread.
struct LibbpfLog {
    /// A verifier log says why in its last lines; a whole one may have megabytes.
    static let limit = 4096

    private var tail: [UInt8] = []

    private mutating func append(_ message: UnsafeBufferPointer<UInt8>) {
        unsafe tail.append(contentsOf: message.suffix(Self.limit))
        if tail.count > Self.limit {
            tail.removeFirst(tail.count - Self.limit)
        }
    }

    /// Whole lines only, if the front had to be cut off.
    private var text: String {
        var bytes = tail[...]
        if bytes.count == Self.limit, let newline = bytes.firstIndex(of: 0x0a) {
            bytes = bytes[(newline + 1)...]
        }
        while let last = bytes.last, last == 0x0a || last == 0x20 { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Runs `call` and throws what it reports as -errno together with what libbpf printed meanwhile.
    static func capture(
        _ operation: String, _ subject: String, _ call: () -> Int32
    ) throws(BPFError) {
        var log = LibbpfLog()
        let result = unsafe withUnsafeMutablePointer(to: &log) { pointer in
            unsafe clibbpf_set_log(
                { context, message, length in
                    guard let context = unsafe context, let message = unsafe message else { return }
                    let bytes = unsafe UnsafeRawBufferPointer(start: message, count: length)
                    unsafe context.assumingMemoryBound(to: LibbpfLog.self).pointee
                        .append(bytes.bindMemory(to: UInt8.self))
                }, pointer)
            let result = call()
            clibbpf_set_log(nil, nil)
            return result
        }
        guard result >= 0 else {
            throw BPFError(operation, subject, errno: -result, log: log.text)
        }
    }
}

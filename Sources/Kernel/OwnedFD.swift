// SPDX-License-Identifier: Apache-2.0
package import Glibc

/// A file descriptor that is closed when its owner goes away, exactly once.
package struct OwnedFD: ~Copyable, Sendable {
    /// Valid as long as the owner lives; never to be closed by hand.
    package let raw: Int32

    /// Takes over an open descriptor: nobody else may close it.
    package init(adopting raw: Int32) {
        precondition(raw >= 0, "not a file descriptor")
        self.raw = raw
    }

    deinit {
        // Linux closes it even on EINTR; a retry could close somebody else's.
        _ = close(raw)
    }

    /// Gives the descriptor to the caller, who closes it.
    package consuming func release() -> Int32 {
        let fd = raw
        discard self
        return fd
    }

    /// A second descriptor of the same open file, closed on exec.
    package borrowing func duplicate() throws(SystemError) -> OwnedFD {
        let raw = raw
        return OwnedFD(adopting: try retrying("fcntl") { fcntl(raw, F_DUPFD_CLOEXEC, 0) })
    }

    /// Opens `path`; O_CLOEXEC is always added. `mode` applies to a file that this creates, less the umask.
    package static func open(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(SystemError) -> OwnedFD {
        OwnedFD(adopting: try retrying("open", path) { unsafe Glibc.open(path, flags | O_CLOEXEC, mode) })
    }
}

extension OwnedFD {
    /// Everything from the current offset to the end. Throws EFBIG past `limit` bytes. `context` goes into errors.
    package borrowing func readAll(limit: Int = 64 << 20, _ context: String = "") throws(SystemError) -> [UInt8] {
        let raw = raw
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16384)
        while true {
            let count = try retrying("read", context) {
                unsafe chunk.withUnsafeMutableBytes { unsafe read(raw, $0.baseAddress, $0.count) }
            }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            if bytes.count > limit { throw SystemError("read", Errno(rawValue: EFBIG), context) }
        }
    }

    /// Writes all of `bytes`, however many calls that takes. `context` goes into errors.
    package borrowing func writeAll(_ bytes: [UInt8], _ context: String = "") throws(SystemError) {
        let raw = raw
        var done = 0
        while done < bytes.count {
            done += try retrying("write", context) {
                unsafe bytes.withUnsafeBytes { unsafe write(raw, $0.baseAddress?.advanced(by: done), $0.count - done) }
            }
        }
    }
}

extension OwnedFD {
    /// Takes the lock of the whole file or folder, flock(2): free again when the descriptor is closed. False when another
    /// has it for two seconds: a process that was killed holds it until the kernel has taken it apart. `context` goes into
    /// errors.
    package func lock(_ context: String) throws(SystemError) -> Bool {
        for attempt in 0..<20 {
            if attempt > 0 { usleep(100_000) }
            if flock(raw, LOCK_EX | LOCK_NB) == 0 { return true }
            guard errno == EWOULDBLOCK else { throw SystemError("flock", Errno(rawValue: errno), context) }
        }
        return false
    }
}

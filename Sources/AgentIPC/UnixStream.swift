// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A connected AF_UNIX stream socket; closed when it goes out of scope.
struct UnixStream: ~Copyable {
    /// What a read or a write came to.
    enum Failure: Error, Equatable {
        case timedOut
        /// EPIPE, ECONNRESET and the like: the peer is gone.
        case broken
    }

    private let fd: Int32

    /// Connects to the socket at `path`, waiting for room in the listener's queue until the deadline.
    init(connectingTo path: String, by deadline: Deadline) throws(AgentError) {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard !bytes.isEmpty, bytes.count < MemoryLayout.size(ofValue: address.sun_path) else {
            throw .refused(socket: path, errno: bytes.isEmpty ? EINVAL : ENAMETOOLONG)
        }
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: bytes) }

        let fd = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard fd >= 0 else { throw .refused(socket: path, errno: errno) }
        // A full queue makes connect(2) wait as long as SO_SNDTIMEO says; with O_NONBLOCK it would give up at once.
        var limit = deadline.timeLeft
        unsafe setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        let result = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        if result == 0 {
            self.fd = fd
            return
        }
        let error = errno
        close(fd)
        switch error {
        case ENOENT, ECONNREFUSED, ENOTDIR: throw .away(socket: path, errno: error)
        case EAGAIN, EINTR: throw .timedOut(request: "connect to \(path)")
        default: throw .refused(socket: path, errno: error)
        }
    }

    deinit { _ = close(fd) }

    /// Sends all of `bytes`.
    borrowing func write(_ bytes: [UInt8], by deadline: Deadline) throws(Failure) {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe send(
                    fd, $0.baseAddress?.advanced(by: sent), $0.count - sent,
                    Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
            }
            if count >= 0 {
                sent += count
            } else if errno == EAGAIN {
                try wait(for: POLLOUT, by: deadline)
            } else if errno != EINTR {
                throw .broken
            }
        }
    }

    /// Appends what has come to `buffer`, waiting for the first byte. Returns the count, 0 at the end of the stream.
    borrowing func read(into buffer: inout [UInt8], by deadline: Deadline) throws(Failure) -> Int {
        while true {
            // The reply is hardly ever there yet, so waiting first saves a call.
            try wait(for: POLLIN, by: deadline)
            let room = 8192
            let start = buffer.count
            var count = 0
            buffer.append(contentsOf: repeatElement(0, count: room))
            count = unsafe buffer.withUnsafeMutableBytes {
                unsafe recv(fd, $0.baseAddress?.advanced(by: start), room, Int32(MSG_DONTWAIT))
            }
            let error = errno
            buffer.removeLast(room - max(0, count))
            if count >= 0 { return count }
            guard error == EAGAIN || error == EINTR else { throw .broken }
        }
    }

    private borrowing func wait(for events: Int32, by deadline: Deadline) throws(Failure) {
        while true {
            var descriptor = pollfd(fd: fd, events: Int16(events), revents: 0)
            let ready = unsafe poll(&descriptor, 1, deadline.pollTimeout)
            if ready > 0 { return }
            if ready == 0 || deadline.hasPassed { throw .timedOut }
            guard errno == EINTR else { throw .broken }
        }
    }
}

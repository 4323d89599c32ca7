// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Kernel
package import NetTypes

/// A socket that never blocks, closed with its last reference. It belongs to the namespace that it was made in.
package final class ProbeSocket: Sendable {
    package enum Kind: Sendable {
        case tcp
        case udp
        /// ICMP or ICMPv6 as the kernel hands it out, which needs root.
        case icmp
        case sctp
    }

    let fd: OwnedFD
    let isIPv6: Bool

    package init(_ kind: Kind, isIPv6: Bool) throws(SystemError) {
        let family = isIPv6 ? AF_INET6 : AF_INET
        let (type, number): (__socket_type, Int) =
            switch kind {
            case .tcp: (SOCK_STREAM, IPPROTO_TCP)
            case .udp: (SOCK_DGRAM, IPPROTO_UDP)
            case .icmp: (SOCK_RAW, isIPv6 ? 58 : IPPROTO_ICMP)
            case .sctp: (SOCK_STREAM, 132)
            }
        let flags = Int32(type.rawValue | SOCK_NONBLOCK.rawValue | SOCK_CLOEXEC.rawValue)
        fd = OwnedFD(adopting: try retrying("socket", "\(kind)") { socket(family, flags, Int32(number)) })
        self.isIPv6 = isIPv6
    }

    init(adopting fd: consuming OwnedFD, isIPv6: Bool) {
        self.fd = fd
        self.isIPv6 = isIPv6
    }

    package var raw: Int32 { fd.raw }

    package func set(_ level: Int32, _ option: Int32, _ value: Int32) throws(SystemError) {
        let raw = raw
        var value = value
        try retrying("setsockopt") {
            unsafe setsockopt(raw, level, option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
    }

    /// Binds; an IPv6 socket bound to :: takes IPv4 too.
    package func bind(_ own: IPAddress, port: UInt16) throws(SystemError) {
        let raw = raw
        try unsafe Self.withAddress(own, port) { (address, length) throws(SystemError) in
            try retrying("bind", "\(own) \(port)") { unsafe Glibc.bind(raw, address, length) }
        }
    }

    package func listen() throws(SystemError) {
        let raw = raw
        try retrying("listen") { Glibc.listen(raw, 512) }
    }

    /// Begins to connect; false: still at it.
    package func connect(_ peer: IPAddress, port: UInt16) throws(SystemError) -> Bool {
        let raw = raw
        do {
            try unsafe Self.withAddress(peer, port) { (address, length) throws(SystemError) in
                try retrying("connect", "\(peer) \(port)") { unsafe Glibc.connect(raw, address, length) }
            }
            return true
        } catch {
            guard error.errno.rawValue == EINPROGRESS else { throw error }
            return false
        }
    }

    /// The socket's pending error, which this takes.
    package func takeError() -> Errno? {
        var value: Int32 = 0
        var length = socklen_t(MemoryLayout<Int32>.size)
        unsafe getsockopt(raw, SOL_SOCKET, SO_ERROR, &value, &length)
        return value == 0 ? nil : Errno(rawValue: value)
    }

    /// 0 before it is bound.
    var localPort: UInt16 {
        var bytes = [UInt8](repeating: 0, count: 28)
        var length = socklen_t(bytes.count)
        let raw = raw
        let status = unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return Int32(-1) }
            return unsafe getsockname(raw, base.assumingMemoryBound(to: sockaddr.self), &length)
        }
        return status == 0 ? UInt16(bytes[2]) << 8 | UInt16(bytes[3]) : 0
    }

    /// Hands over as much as there is room for. nil: no room.
    package func send(_ bytes: ArraySlice<UInt8>) throws(SystemError) -> Int? {
        let raw = raw
        do {
            return try retrying("send") {
                unsafe bytes.withUnsafeBytes { unsafe Glibc.send(raw, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            }
        } catch {
            guard error.errno == .again else { throw error }
            return nil
        }
    }

    /// What has come, one datagram or a part of a stream; empty at a stream's end, nil when there is nothing yet.
    package func receive(limit: Int = 65_536) throws(SystemError) -> [UInt8]? {
        let raw = raw
        var bytes = [UInt8](repeating: 0, count: limit)
        do {
            let count = try retrying("recv") {
                unsafe bytes.withUnsafeMutableBytes { unsafe recv(raw, $0.baseAddress, $0.count, 0) }
            }
            bytes.removeSubrange(count...)
            return bytes
        } catch {
            guard error.errno == .again else { throw error }
            return nil
        }
    }

    /// A `sockaddr` of the address's family.
    @discardableResult
    static func withAddress<Result>(
        _ address: IPAddress, _ port: UInt16, _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        let family = UInt16(address.isIPv4 ? AF_INET : AF_INET6)
        var bytes = [UInt8(family & 0xff), UInt8(family >> 8)]
        bytes.append(big: port)
        // Flow label before an IPv6 address, scope behind it.
        bytes += address.isIPv4 ? address.bytes : [0, 0, 0, 0] + address.bytes + [0, 0, 0, 0]
        if address.isIPv4 { bytes += [UInt8](repeating: 0, count: 8) }
        return try unsafe Self.withPointer(bytes, body)
    }

    @discardableResult
    static func withPointer<Result>(
        _ bytes: [UInt8], _ body: (UnsafePointer<sockaddr>, socklen_t) throws(SystemError) -> Result
    ) throws(SystemError) -> Result {
        let outcome = unsafe bytes.withUnsafeBytes { buffer -> Swift.Result<Result, SystemError> in
            guard let base = buffer.baseAddress else { return .failure(SystemError("sockaddr", .invalid)) }
            let length = socklen_t(buffer.count)
            let pointer = unsafe base.assumingMemoryBound(to: sockaddr.self)
            do throws(SystemError) { return .success(try unsafe body(pointer, length)) } catch {
                return .failure(error)
            }
        }
        return try outcome.get()
    }
}

/// Waits until a socket can be read from or written to; false after `timeout`.
func wait(for events: Int32, on socket: ProbeSocket, timeout: Duration) -> Bool {
    var entry = pollfd(fd: socket.raw, events: Int16(events), revents: 0)
    return unsafe poll(&entry, 1, Int32(clamping: max(1, timeout.milliseconds))) > 0
}

extension ProbeSocket {
    /// Waits for the end of `connect`; false if it failed or takes longer than ``Probe/patience``.
    package func waitUntilConnected() -> Bool {
        wait(for: POLLOUT, on: self, timeout: Probe.patience) && takeError() == nil
    }

    /// Waits for a datagram of so many bytes; false if none comes within ``Probe/patience``.
    package func waitUntilReceived(count: Int) -> Bool {
        wait(for: POLLIN, on: self, timeout: Probe.patience) && (try? receive())?.count == count
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import NetTypes
import Synchronization
import TestSupport

/// One kind of load between a client and a server thread, for a second.
enum TCPWork: Sendable {
    case requests
    case connections
    case stream

    /// Connections in place of a second's. Seven rounds stay below the 28,232 ports of a client, which TIME_WAIT keeps for
    /// a minute: with all of them taken, the search for a free one would be measured.
    private static let connectionCount = 3_500

    /// Requests or connections a second, or Gbit/s.
    func measure(from client: TestNamespace, to server: TestNamespace, address: IPAddress, port: UInt16) throws
        -> Double
    {
        let listener = try server.run { try BlockingSocket.listening(port) }
        let work = self
        let finished = Mutex(false)
        let received = Mutex<UInt64>(0)
        let box = ServerBox(listener)
        try WorkerThread.start("bench-server") {
            let count = work.serve(box.socket)
            received.withLock { $0 = count }
            finished.withLock { $0 = true }
        }
        let (count, seconds) = try client.run { try drive(address, port) }
        guard eventually(timeout: .seconds(10), { finished.withLock { $0 } }) else {
            throw BenchError("the server did not end")
        }
        switch self {
        case .requests, .connections: return Double(count) / seconds
        case .stream: return Double(received.withLock { $0 }) * 8 / seconds / 1e9
        }
    }

    /// Ends when a client closes without having said anything. Returns the bytes of streams.
    private func serve(_ listener: borrowing BlockingSocket) -> UInt64 {
        var buffer = [UInt8](repeating: 0, count: self == .stream ? 1 << 18 : 64)
        var bytes: UInt64 = 0
        while let connection = listener.accept() {
            var spoke = false
            while let count = connection.receive(&buffer), count > 0 {
                spoke = true
                bytes += UInt64(count)
                if self != .stream { connection.send(buffer, count) }
                // Who closes first keeps the ports: here the server, which has no search for them.
                if self == .connections { break }
            }
            if !spoke { break }
        }
        return bytes
    }

    private func drive(_ address: IPAddress, _ port: UInt16) throws -> (count: Int, seconds: Double) {
        var count = 0
        let start = PolicyBench.now()
        let end = start + 1
        var buffer = [UInt8](repeating: 7, count: self == .stream ? 1 << 18 : 1)
        switch self {
        case .requests, .stream:
            let socket = try BlockingSocket.connected(address, port)
            while PolicyBench.now() < end {
                socket.send(buffer, buffer.count)
                if self == .requests, socket.receive(&buffer) != 1 { throw BenchError("the connection broke") }
                count += 1
            }
        case .connections:
            while count < Self.connectionCount {
                let socket = try BlockingSocket.connected(address, port)
                socket.send(buffer, 1)
                guard socket.receive(&buffer) == 1, socket.receive(&buffer) == 0 else {
                    throw BenchError("the connection broke")
                }
                count += 1
            }
        }
        let seconds = PolicyBench.now() - start
        _ = try BlockingSocket.connected(address, port)
        return (count, seconds)
    }
}

private final class ServerBox: Sendable {
    let socket: BlockingSocket
    init(_ socket: consuming BlockingSocket) { self.socket = socket }
}

/// A plain blocking TCP socket: nothing between the loop and the system call.
struct BlockingSocket: ~Copyable, Sendable {
    private let fd: OwnedFD

    private init(_ raw: Int32) {
        fd = OwnedFD(adopting: raw)
        var one: Int32 = 1
        unsafe setsockopt(raw, Int32(IPPROTO_TCP), TCP_NODELAY, &one, 4)
    }

    static func listening(_ port: UInt16) throws -> BlockingSocket {
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SystemError("socket", Errno(rawValue: errno)) }
        var one: Int32 = 1
        unsafe setsockopt(raw, SOL_SOCKET, SO_REUSEADDR, &one, 4)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        let failed = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(raw, $0, 16) }
        }
        guard failed == 0, listen(raw, 512) == 0 else { throw SystemError("bind", Errno(rawValue: errno)) }
        return BlockingSocket(raw)
    }

    static func connected(_ peer: IPAddress, _ port: UInt16) throws -> BlockingSocket {
        let raw = socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        guard raw >= 0 else { throw SystemError("socket", Errno(rawValue: errno)) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = (peer.v4 ?? 0).bigEndian
        let failed = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe connect(raw, $0, 16) }
        }
        let socket = BlockingSocket(raw)
        guard failed == 0 else { throw SystemError("connect", Errno(rawValue: errno), "\(peer):\(port)") }
        return socket
    }

    /// nil when the socket is of no use any more.
    borrowing func accept() -> BlockingSocket? {
        let raw = Glibc.accept(fd.raw, nil, nil)
        return raw >= 0 ? BlockingSocket(raw) : nil
    }

    borrowing func send(_ bytes: [UInt8], _ count: Int) {
        _ = unsafe Glibc.send(fd.raw, bytes, count, Int32(MSG_NOSIGNAL))
    }

    borrowing func receive(_ buffer: inout [UInt8]) -> Int? {
        let count = unsafe recv(fd.raw, &buffer, buffer.count, 0)
        return count >= 0 ? count : nil
    }
}

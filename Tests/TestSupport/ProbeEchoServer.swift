// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import NetTypes
import Synchronization

/// Returns whatever comes in over TCP and UDP, IPv4 and IPv6, on some ports of one namespace, until the last reference
/// goes away.
package final class EchoServer: Sendable {
    /// What the thread shares with the owner, so that it doesn't keep it alive.
    private final class Shared: Sendable {
        let wakeUp: WakeUp
        let isStopping = Mutex(false)
        let hasEnded = Mutex(false)

        init() throws(SystemError) { wakeUp = try WakeUp() }
    }

    private let shared: Shared

    package convenience init(in pod: TestPod, tcp: [UInt16] = [], udp: [UInt16] = []) throws {
        try self.init(in: pod.namespace, tcp: tcp, udp: udp)
    }

    package init(in namespace: TestNamespace, tcp: [UInt16] = [], udp: [UInt16] = []) throws {
        shared = try Shared()
        let sockets = try namespace.run { try EchoLoop(tcp: tcp, udp: udp) }
        let shared = shared
        try WorkerThread.start("echo") {
            var loop = sockets
            while !shared.isStopping.withLock({ $0 }) { loop.turn(wakeUp: shared.wakeUp.fd) }
            loop.close()
            shared.hasEnded.withLock { $0 = true }
        }
    }

    /// Closes the ports and all connections. Idempotent.
    package func stop() {
        shared.isStopping.withLock { $0 = true }
        shared.wakeUp.signal()
        // A namespace goes away only when its sockets have.
        _ = eventually(timeout: .seconds(5), every: .microseconds(200)) { shared.hasEnded.withLock { $0 } }
    }

    deinit { stop() }
}

/// The server's sockets and what is to be sent.
private struct EchoLoop: Sendable {
    private struct Connection {
        let socket: ProbeSocket
        var pending: ArraySlice<UInt8> = []
    }

    private var listeners: [ProbeSocket] = []
    private var datagrams: [ProbeSocket] = []
    private var connections: [Connection] = []
    private var buffer = [UInt8](repeating: 0, count: 65_536)

    init(tcp: [UInt16], udp: [UInt16]) throws {
        for port in tcp {
            let socket = try ProbeSocket(.tcp, isIPv6: true)
            try socket.set(SOL_SOCKET, SO_REUSEADDR, 1)
            try socket.bind(.unspecifiedIPv6, port: port)
            try socket.listen()
            listeners.append(socket)
        }
        for port in udp {
            let socket = try ProbeSocket(.udp, isIPv6: true)
            try socket.set(SOL_SOCKET, SO_RCVBUF, 4 << 20)
            try socket.bind(.unspecifiedIPv6, port: port)
            datagrams.append(socket)
        }
    }

    mutating func close() {
        listeners = []
        datagrams = []
        connections = []
    }

    /// Waits for something to do, and does it.
    mutating func turn(wakeUp: Int32) {
        var entries = (listeners + datagrams).map { pollfd(fd: $0.raw, events: Int16(POLLIN), revents: 0) }
        for connection in connections {
            // While a client doesn't read, nothing more is read from it.
            let events = connection.pending.count < 1 << 20 ? POLLIN : 0
            let writing = connection.pending.isEmpty ? 0 : POLLOUT
            entries.append(pollfd(fd: connection.socket.raw, events: Int16(events | writing), revents: 0))
        }
        entries.append(pollfd(fd: wakeUp, events: Int16(POLLIN), revents: 0))
        _ = unsafe poll(&entries, nfds_t(entries.count), -1)

        var index = entries.count - 2
        for position in connections.indices.reversed() {
            if entries[index].revents != 0, !serve(&connections[position]) { connections.remove(at: position) }
            index -= 1
        }
        for position in datagrams.indices.reversed() {
            if entries[index].revents != 0 { echo(datagrams[position]) }
            index -= 1
        }
        for position in listeners.indices.reversed() {
            if entries[index].revents != 0 { accept(listeners[position]) }
            index -= 1
        }
    }

    private mutating func accept(_ listener: ProbeSocket) {
        while true {
            let fd = Glibc.accept(listener.raw, nil, nil)
            guard fd >= 0 else { return }
            _ = fcntl(fd, F_SETFD, FD_CLOEXEC)
            _ = fcntl(fd, F_SETFL, O_NONBLOCK)
            connections.append(Connection(socket: ProbeSocket(adopting: OwnedFD(adopting: fd), isIPv6: true)))
        }
    }

    /// False at the connection's end.
    private func serve(_ connection: inout Connection) -> Bool {
        do throws(SystemError) {
            if connection.pending.count < 1 << 20, let bytes = try connection.socket.receive() {
                if bytes.isEmpty { return false }
                connection.pending += bytes
            }
            while !connection.pending.isEmpty, let count = try connection.socket.send(connection.pending) {
                connection.pending.removeFirst(count)
            }
            return true
        } catch {
            return false
        }
    }

    private mutating func echo(_ socket: ProbeSocket) {
        while true {
            // As large as any address.
            var peer = sockaddr_storage()
            var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
            let raw = socket.raw
            let done = unsafe withUnsafeMutablePointer(to: &peer) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                    unsafe buffer.withUnsafeMutableBytes { bytes in
                        let count = unsafe recvfrom(raw, bytes.baseAddress, bytes.count, 0, address, &length)
                        guard count >= 0 else { return true }
                        unsafe sendto(raw, bytes.baseAddress, count, Int32(MSG_NOSIGNAL), address, length)
                        return false
                    }
                }
            }
            if done { return }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
package import NetTypes
import Synchronization

/// A TCP connection, or a UDP socket that speaks to one peer, whose other end echoes.
package final class EchoConnection: Sendable {
    private let socket: ProbeSocket
    private let isStream: Bool
    private let late = Mutex(0)

    /// Connects; throws ETIMEDOUT after ``Probe/patience``.
    package init(_ kind: Probe.Kind, from source: TestNamespace, to destination: IPAddress) throws {
        let v6 = !destination.isIPv4
        switch kind {
        case .tcp(let port):
            isStream = true
            socket = try source.run { try ProbeSocket(.tcp, isIPv6: v6) }
            try socket.set(Int32(IPPROTO_TCP), TCP_NODELAY, 1)
            guard try !socket.connect(destination, port: port) else { return }
            guard wait(for: POLLOUT, on: socket, timeout: Probe.patience) else {
                throw SystemError("connect", .timedOut, "\(destination) \(port)")
            }
            if let error = socket.takeError() { throw SystemError("connect", error, "\(destination) \(port)") }
        case .udp(let port):
            isStream = false
            socket = try source.run { try ProbeSocket(.udp, isIPv6: v6) }
            _ = try socket.connect(destination, port: port)
        case .ping:
            throw SystemError("connect", .invalid, "ping")
        }
    }

    package convenience init(_ kind: Probe.Kind, from source: TestPod, to destination: IPAddress) throws {
        try self.init(kind, from: source.namespace, to: destination)
    }

    /// Sends `bytes` and waits for them to come back. False: they did not within `timeout`; what of them comes later
    /// is not taken for the answer to what is sent next, as long as that is different.
    package func exchange(_ bytes: [UInt8], within timeout: Duration = Probe.patience) throws -> Bool {
        let deadline = ContinuousClock.now + timeout
        var unsent = bytes[...]
        var received: [UInt8] = []
        while true {
            while !unsent.isEmpty, let count = try socket.send(unsent) { unsent.removeFirst(count) }
            while let part = try socket.receive() {
                if isStream, part.isEmpty { throw SystemError("recv", Errno(rawValue: ECONNRESET), "end of stream") }
                if isStream { received += part } else { received = part }
                if received.count >= bytes.count, received.suffix(bytes.count) == bytes[...] { return true }
                if !isStream { late.withLock { $0 += 1 } }
            }
            let left = deadline - .now
            guard left > .zero else { return false }
            _ = wait(for: unsent.isEmpty ? POLLIN : POLLIN | POLLOUT, on: socket, timeout: left)
        }
    }

    /// Sends and receives a number that no other exchange has.
    package func ping(within timeout: Duration = Probe.patience) throws -> Bool {
        var bytes: [UInt8] = []
        bytes.append(big: UInt64.random(in: .min ... .max))
        return try exchange(bytes, within: timeout)
    }

    /// Datagrams that came when nobody waited for them any more.
    package var lateAnswers: Int { late.withLock { $0 } }

    package var localPort: UInt16 { socket.localPort }

    /// Segments that TCP had to send again. Those that it sent again in vain, because others had overtaken them on another
    /// processor, are left out as soon as the receiver says so (RFC 2883).
    package var lostSegments: UInt32 {
        // struct tcp_info of linux/tcp.h, of which the C library has the beginning only.
        var info = [UInt32](repeating: 0, count: 64)
        var length = socklen_t(info.count * MemoryLayout<UInt32>.size)
        unsafe getsockopt(socket.raw, Int32(IPPROTO_TCP), TCP_INFO, &info, &length)
        let sentAgain = info[25], duplicates = info[54]
        return sentAgain - min(sentAgain, duplicates)
    }
}

/// Requests and responses without a pause over one connection, on a thread of its own, until the last reference goes away.
package final class Traffic: Sendable {
    package struct Report: Sendable {
        /// Answered requests.
        package var exchanges = 0
        /// The longest time that an answer took.
        package var slowest = Duration.zero
        /// Requests without an answer. Of UDP each is a lost datagram.
        package var lost = 0
        package var error: String?
    }

    private final class Shared: Sendable {
        let report = Mutex(Report())
        let isStopping = Mutex(false)
        let hasEnded = Mutex(false)
    }

    private let shared = Shared()
    private let connection: EchoConnection

    /// - Parameters:
    ///   - patience: how long an answer may take before its request counts as lost.
    ///   - pause: between an answer and the next request.
    package init(
        over connection: EchoConnection, patience: Duration = .seconds(20), pause: Duration = .microseconds(200)
    ) throws {
        self.connection = connection
        let shared = shared
        try WorkerThread.start("traffic") {
            let microseconds = UInt32(clamping: pause.components.attoseconds / 1_000_000_000_000)
            while !shared.isStopping.withLock({ $0 }) {
                let began = ContinuousClock.now
                let answered = Result { try connection.ping(within: patience) }
                let took = ContinuousClock.now - began
                shared.report.withLock { report in
                    switch answered {
                    case .success(true):
                        report.exchanges += 1
                        report.slowest = max(report.slowest, took)
                    case .success(false): report.lost += 1
                    case .failure(let error): report.error = "\(error)"
                    }
                }
                if case .failure = answered { break }
                usleep(microseconds)
            }
            shared.hasEnded.withLock { $0 = true }
        }
    }

    package var report: Report { shared.report.withLock { $0 } }

    /// Waits until so many more requests were answered; false if they are not within `timeout`.
    package func waitForMore(_ count: Int, timeout: Duration = .seconds(20)) -> Bool {
        let before = report.exchanges
        return eventually(timeout: timeout, every: .milliseconds(1)) {
            let report = report
            return report.exchanges >= before + count || report.error != nil
        } && report.error == nil
    }

    /// Ends after the request that is on its way.
    @discardableResult
    package func stop() -> Report {
        shared.isStopping.withLock { $0 = true }
        _ = eventually(timeout: .seconds(30), every: .microseconds(500)) { shared.hasEnded.withLock { $0 } }
        return report
    }

    package var lostSegments: UInt32 { connection.lostSegments }
    package var lateAnswers: Int { connection.lateAnswers }

    deinit { shared.isStopping.withLock { $0 = true } }
}

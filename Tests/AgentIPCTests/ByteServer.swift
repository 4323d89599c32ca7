// SPDX-License-Identifier: Apache-2.0
import Foundation
import Glibc
import Synchronization

/// A Unix socket whose every connection is served by the next of the given handlers, one after another, on a thread.
final class ByteServer: Sendable {
    /// The server's end of a connection.
    struct Peer: Sendable {
        let fd: Int32

        /// Reads one request up to the end of its body; nil when the client has closed.
        func readRequest() -> String? {
            var text = ""
            while true {
                if let end = text.range(of: "\r\n\r\n") {
                    let header = text[..<end.lowerBound].lowercased()
                    let length = header.range(of: "content-length: ").flatMap {
                        Int(header[$0.upperBound...].prefix { $0.isNumber })
                    }
                    if text[end.upperBound...].utf8.count >= length ?? 0 { return text }
                }
                var buffer = [UInt8](repeating: 0, count: 4_096)
                let count = unsafe recv(fd, &buffer, buffer.count, 0)
                guard count > 0 else { return nil }
                text += String(decoding: buffer[..<count], as: UTF8.self)
            }
        }

        /// Writes `text` in pieces of `size` bytes, each with a call of its own.
        func write(_ text: String, by size: Int = .max) {
            var rest = Array(text.utf8)[...]
            while !rest.isEmpty {
                let piece = Array(rest.prefix(size))
                guard unsafe send(fd, piece, piece.count, Int32(MSG_NOSIGNAL)) == piece.count else { return }
                rest = rest.dropFirst(piece.count)
            }
        }

        /// Blocks until the client closes.
        func waitForClose() {
            while readRequest() != nil {}
        }
    }

    let directory: String
    let path: String
    private let listener: Int32
    private let accepted = Mutex<[Int32]>([])
    private let finished = DispatchSemaphore(value: 0)

    /// How many were accepted.
    var connections: Int { accepted.withLock { $0.count } }

    /// Serves as long as `body` runs. Handlers that still wait for the client then see it close.
    static func serve(_ handlers: [@Sendable (Peer) -> Void], _ body: (ByteServer) throws -> Void) throws {
        let server = try ByteServer()
        server.start(handlers)
        defer { server.stop() }
        try body(server)
    }

    private init() throws {
        directory = NSTemporaryDirectory() + "skein-ipc-" + UUID().uuidString.prefix(8)
        path = directory + "/agent.sock"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        guard Self.bind(listener, to: path), listen(listener, 16) == 0 else { throw POSIXError(.EADDRINUSE) }
    }

    private func start(_ handlers: [@Sendable (Peer) -> Void]) {
        Thread.detachNewThread { [self] in
            for handler in handlers {
                let fd = accept(listener, nil, nil)
                guard fd >= 0 else { break }
                accepted.withLock { $0.append(fd) }
                handler(Peer(fd: fd))
                shutdown(fd, Int32(SHUT_RDWR))
            }
            finished.signal()
        }
    }

    private func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        for fd in accepted.withLock({ $0 }) { shutdown(fd, Int32(SHUT_RDWR)) }
        finished.wait()
        for fd in accepted.withLock({ $0 }) { close(fd) }
        close(listener)
        try? FileManager.default.removeItem(atPath: directory)
    }

    /// Gives a socket the name `path`.
    static func bind(_ fd: Int32, to path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
        return unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe Glibc.bind(fd, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}

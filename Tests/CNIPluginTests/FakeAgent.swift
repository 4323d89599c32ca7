// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import Foundation
import Glibc
import NetTypes
import Synchronization

/// What happened, in order, at the agent and in the kernel.
final class EventLog: Sendable {
    private let lines = Mutex<[String]>([])

    func append(_ line: String) { lines.withLock { $0.append(line) } }

    /// Waits until `line` has come so often, but not for ever.
    func wait(for line: String, times: Int = 1) {
        _ = eventually { count(of: line) >= times }
    }

    func count(of line: String) -> Int {
        lines.withLock { lines in lines.count { $0 == line } }
    }

    /// All so far, which are forgotten with that.
    func take() -> [String] {
        lines.withLock { lines in
            defer { lines = [] }
            return lines
        }
    }
}

/// An agent that keeps endpoints in memory, on a Unix socket served by threads.
final class FakeAgent: Sendable {
    struct Reply: Sendable {
        var status = 200
        var body = "{}"

        static let ok = Reply()
        static func error(_ status: Int, _ code: String, retryable: Bool = false) -> Reply {
            Reply(
                status: status,
                body: #"{"error":{"code":"\#(code)","message":"no: \#(code)","retryable":\#(retryable)}}"#)
        }
    }

    /// How to answer instead of as an agent should. Keys are "POST /v1/endpoints", or the last part of the path:
    /// "attach", "release", "DELETE".
    enum Fault: Sendable {
        case reply(Reply)
        /// The request is read, and that is all.
        case silence
        /// The connection is closed.
        case hangUp
        /// The request is done, but nothing is answered.
        case doneInSilence
    }

    struct State: Sendable {
        var endpoints: [String: EndpointState] = [:]
        /// Whose they are.
        var attempts: [String: String] = [:]
        var faults: [String: Fault] = [:]
        var ipv4: IPAddress? = IPAddress("10.0.0.5")
        var ipv6: IPAddress? = IPAddress("fd00::5")
        var removedByGC: [AttachmentReference] = []
        /// Bodies of requests, by "METHOD path".
        var bodies: [String: String] = [:]
        var connections = 0
    }

    let directory: String
    let socketPath: String
    let log = EventLog()
    private let state = Mutex(State())
    private let listener: Int32
    private let open = Mutex<Set<Int32>>([])
    private let finished = DispatchGroup()

    /// The endpoints that the fake knows, by "container/interface".
    var endpoints: [String: EndpointState] { state.withLock { $0.endpoints } }
    var runDirectory: String { directory + "/run" }
    /// Connections so far.
    var connections: Int { state.withLock { $0.connections } }

    /// The body of the last request of this kind, as "POST /v1/gc".
    func body(of request: String) -> String? { state.withLock { $0.bodies[request] } }

    func change(_ body: (inout State) -> Void) { state.withLock { body(&$0) } }

    /// Serves as long as `body` runs.
    static func serve(_ body: (FakeAgent) throws -> Void) throws {
        let agent = try FakeAgent()
        agent.start()
        defer { agent.stop() }
        try body(agent)
    }

    private init() throws {
        directory = NSTemporaryDirectory() + "skein-cni-" + UUID().uuidString.prefix(8)
        socketPath = directory + "/agent.sock"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: socketPath.utf8) }
        let bound = unsafe withUnsafePointer(to: &address) {
            unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(listener, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
        guard bound, listen(listener, 16) == 0 else { throw POSIXError(.EADDRINUSE) }
    }

    private func start() {
        finished.enter()
        Thread.detachNewThread { [self] in
            defer { finished.leave() }
            while true {
                let fd = accept(listener, nil, nil)
                guard fd >= 0 else { return }
                open.withLock { _ = $0.insert(fd) }
                change { $0.connections += 1 }
                finished.enter()
                Thread.detachNewThread { [self] in
                    serve(fd)
                    open.withLock { _ = $0.remove(fd) }
                    close(fd)
                    finished.leave()
                }
            }
        }
    }

    private func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        open.withLock { for fd in $0 { shutdown(fd, Int32(SHUT_RDWR)) } }
        finished.wait()
        close(listener)
        try? FileManager.default.removeItem(atPath: directory)
    }

    private func serve(_ fd: Int32) {
        while let request = Self.read(fd) {
            let line = request.prefix { $0 != "\r\n" }.split(separator: " ").prefix(2).joined(separator: " ")
            let body = request.range(of: "\r\n\r\n").map { String(request[$0.upperBound...]) } ?? ""
            let fault = state.withLock { state in
                state.bodies[line] = body
                return state.faults[line] ?? state.faults[Self.kind(line)]
            }
            // What goes on at once has an order in the log.
            if Self.kind(line) == "attach" { log.wait(for: "configurePod") }
            if line == "POST /v1/endpoints" { log.wait(for: "createVeth", times: log.count(of: line) + 1) }
            log.append(line)
            let reply: Reply
            switch fault {
            case .reply(let canned): reply = canned
            case .silence:
                _ = Self.read(fd)
                return
            case .hangUp: return
            case .doneInSilence:
                _ = answer(line, body)
                _ = Self.read(fd)
                return
            case nil: reply = answer(line, body)
            }
            let text = "HTTP/1.1 \(reply.status) X\r\nContent-Length: \(reply.body.utf8.count)\r\n\r\n\(reply.body)"
            let bytes = Array(text.utf8)
            guard unsafe send(fd, bytes, bytes.count, Int32(MSG_NOSIGNAL)) == bytes.count else { return }
        }
    }

    private static func kind(_ line: String) -> String {
        if line.hasPrefix("DELETE ") { return "DELETE" }
        return ["attach", "release"].first { line.hasSuffix("/" + $0) } ?? line
    }

    private static func read(_ fd: Int32) -> String? {
        var text = ""
        while true {
            if let end = text.range(of: "\r\n\r\n") {
                let length = text[..<end.lowerBound].range(of: "Content-Length: ").flatMap {
                    Int(text[$0.upperBound...].prefix { $0.isNumber })
                }
                if text[end.upperBound...].utf8.count >= length ?? 0 { return text }
            }
            var buffer = [UInt8](repeating: 0, count: 4_096)
            let count = unsafe recv(fd, &buffer, buffer.count, 0)
            guard count > 0 else { return nil }
            text += String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}

// MARK: - Behaviour

extension FakeAgent {
    static let podMAC = "0a:5c:01:00:00:07"

    private func answer(_ line: String, _ body: String) -> Reply {
        let parts = line.split(separator: " ")
        let path = parts[1].split(separator: "/").map(String.init)
        let key = path.count >= 4 ? "\(path[2])/\(path[3])" : ""
        switch (parts[0], path.count, path.last ?? "") {
        case ("GET", 2, "ready"): return .ok
        case ("POST", 2, "endpoints"): return allocate(body)
        case ("POST", 2, "gc"):
            let removed = state.withLock { $0.removedByGC }
            return Self.json(GCReply(removed: removed))
        case ("POST", 5, "attach"):
            let attempt = Self.attempt(body)
            return state.withLock { state in
                guard state.endpoints[key] != nil else { return .error(404, "notFound") }
                guard state.attempts[key] == attempt else { return .error(409, "conflict", retryable: true) }
                state.endpoints[key] = .ready
                return .ok
            }
        case ("POST", 5, "release"):
            let attempt = Self.attempt(body)
            change { if $0.attempts[key] == attempt { $0.endpoints[key] = nil } }
            return .ok
        case ("DELETE", 4, _):
            change { $0.endpoints[key] = nil }
            return .ok
        case ("GET", 4, _): return info(path[2], path[3])
        default: return .error(404, "notFound")
        }
    }

    private struct Attempt: Decodable {
        var attempt: String?
    }

    private static func attempt(_ body: String) -> String? {
        try? JSONDecoder().decode(Attempt.self, from: Data(body.utf8)).attempt
    }

    private static func json(_ value: some Encodable) -> Reply {
        guard let data = try? JSONText.encode(value) else { return .error(500, "internal") }
        return Reply(body: String(decoding: data, as: UTF8.self))
    }

    private func allocate(_ body: String) -> Reply {
        guard let request = try? JSONDecoder().decode(AllocateRequest.self, from: Data(body.utf8)),
            let mac = MACAddress(Self.podMAC), let gateway4 = IPAddress("169.254.1.1"),
            let gateway6 = IPAddress("fe80::1")
        else { return .error(400, "badRequest") }
        let endpoint = AttachmentReference(containerID: request.containerID, interface: request.interface)
        return state.withLock { state in
            let known = state.endpoints[endpoint.description] ?? .pending
            state.endpoints[endpoint.description] = known
            if known != .ready { state.attempts[endpoint.description] = request.attempt }
            return Self.json(
                AllocateReply(
                    endpoint: 7, hostInterface: endpoint.hostInterfaceName, podMAC: mac,
                    gatewayMAC: .gateway(endpoint: 7), ipv4: state.ipv4, ipv6: state.ipv6, gateway4: gateway4,
                    gateway6: gateway6, mtu: 1450, state: known))
        }
    }

    private func info(_ containerID: String, _ interface: String) -> Reply {
        let endpoint = AttachmentReference(containerID: containerID, interface: interface)
        guard let mac = MACAddress(Self.podMAC) else { return .error(500, "internal") }
        return state.withLock { state in
            guard let known = state.endpoints[endpoint.description] else { return .error(404, "notFound") }
            return Self.json(
                EndpointInfo(
                    number: 7, containerID: containerID, interface: interface, network: "pods", netns: "/run/netns/a",
                    podNamespace: "default", podName: "web", labels: [:], ipv4: state.ipv4, ipv6: state.ipv6,
                    podMAC: mac, gatewayMAC: .gateway(endpoint: 7), mtu: 1450,
                    hostInterface: endpoint.hostInterfaceName, hostIfindex: 42, state: known, since: 0, identity: 300,
                    policy: 1, enforceIngress: true, enforceEgress: false))
        }
    }
}

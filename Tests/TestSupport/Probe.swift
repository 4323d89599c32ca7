// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Kernel
package import NetTypes

/// Asks whether one end reaches another, with real sockets. Many questions are asked at once.
package struct Probe: Sendable, CustomStringConvertible {
    package enum Kind: Hashable, Sendable {
        case tcp(UInt16)
        /// A datagram that an echo server returns.
        case udp(UInt16)
        case ping
    }

    package enum Outcome: Hashable, Sendable {
        /// The connection is there, or the answer came.
        case connected
        /// A host has said no: RST or ICMP.
        case refused
        /// Nobody said anything.
        case timedOut
        /// Sending failed.
        case failed(Errno)
    }

    package let source: TestNamespace
    package let destination: IPAddress
    package let kind: Kind
    /// Bytes of a datagram.
    package var size = 32
    /// Source address; nil: the kernel's choice.
    package var from: IPAddress?
    /// "namespace/name" of the source; nil when it is no pod.
    package let pod: String?

    package init(_ kind: Kind, from source: TestNamespace, to destination: IPAddress) {
        self.kind = kind
        self.source = source
        self.destination = destination
        pod = nil
    }

    package init(_ kind: Kind, from source: TestPod, to destination: IPAddress) {
        self.kind = kind
        self.source = source.namespace
        self.destination = destination
        pod = source.fullName
    }

    package var description: String {
        "\(pod ?? from.map(\.description) ?? source.name) to \(destination) \(port)"
    }

    /// As `skein policy explain` takes it.
    package var port: String {
        switch kind {
        case .tcp(let number): "\(number)/tcp"
        case .udp(let number): "\(number)/udp"
        case .ping: destination.isIPv4 ? "icmp" : "icmpv6"
        }
    }

    /// How long an answer may take when one is awaited.
    package static let patience = Duration.seconds(10)
    /// How long silence has to last to be believed.
    package static let silence = Duration.milliseconds(300)

    /// Asks one question.
    package func outcome(within timeout: Duration = Probe.patience) throws -> Outcome {
        try Probe.outcomes([self], patience: timeout, silence: timeout)[0]
    }

    /// Asks all questions at once. For those that are `expected` to be answered it waits, if need be, as long as
    /// `patience` says; for the others as long as `silence`, and at least until the former are.
    package static func outcomes(
        _ probes: [Probe], expected: Set<Int>? = nil, patience: Duration = Probe.patience,
        silence: Duration = Probe.silence
    ) throws -> [Outcome] {
        var runs = try probes.map { try Run($0) }
        let began = ContinuousClock.now
        while true {
            let open = runs.indices.filter { runs[$0].outcome == nil }
            let elapsed = ContinuousClock.now - began
            let awaited = expected.map { expected in open.contains { expected.contains($0) } } ?? true
            let left = (awaited ? patience : silence) - elapsed
            if open.isEmpty || left <= .zero { break }
            for (index, isReady) in zip(open, wait(for: runs, open, timeout: left)) where isReady {
                runs[index].proceed()
            }
        }
        return runs.map { $0.outcome ?? .timedOut }
    }

    private static func wait(for runs: [Run], _ open: [Int], timeout: Duration) -> [Bool] {
        var entries = open.map { pollfd(fd: runs[$0].socket.raw, events: runs[$0].events, revents: 0) }
        _ = unsafe poll(&entries, nfds_t(entries.count), Int32(clamping: max(1, timeout.milliseconds)))
        return entries.map { $0.revents != 0 }
    }
}

extension Duration {
    /// Rounded up.
    var milliseconds: Int64 {
        components.seconds * 1_000 + (components.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000
    }
}

/// One question on its way.
private struct Run {
    let socket: ProbeSocket
    private let kind: Probe.Kind
    private let payload: [UInt8]
    private let isIPv6: Bool
    var outcome: Probe.Outcome?

    var events: Int16 {
        if case .tcp = kind { Int16(POLLOUT) } else { Int16(POLLIN) }
    }

    init(_ probe: Probe) throws {
        kind = probe.kind
        let v6 = !probe.destination.isIPv4
        isIPv6 = v6
        var payload = (0..<max(8, probe.size)).map { _ in UInt8.random(in: 0...255) }
        let socketKind: ProbeSocket.Kind
        var port: UInt16 = 0
        switch probe.kind {
        case .tcp(let number): (socketKind, port) = (.tcp, number)
        case .udp(let number): (socketKind, port) = (.udp, number)
        case .ping:
            socketKind = .icmp
            payload = EchoMessage.request(payload, isIPv6: v6)
        }
        self.payload = payload
        socket = try probe.source.run { try ProbeSocket(socketKind, isIPv6: v6) }
        if let from = probe.from { try socket.bind(from, port: 0) }
        do throws(SystemError) {
            let isConnected = try socket.connect(probe.destination, port: port)
            if case .tcp = kind {
                if isConnected { outcome = .connected }
            } else {
                _ = try socket.send(payload[...])
            }
        } catch {
            outcome = Self.outcome(of: error.errno)
        }
    }

    /// The socket has something to say.
    mutating func proceed() {
        if case .tcp = kind {
            outcome = socket.takeError().map(Self.outcome) ?? .connected
            return
        }
        do throws(SystemError) {
            while let answer = try socket.receive() {
                let isAnswer =
                    kind == .ping
                    ? EchoMessage.isReply(answer, to: payload, isIPv6: isIPv6) : answer == payload
                if isAnswer {
                    outcome = .connected
                    return
                }
            }
        } catch {
            outcome = Self.outcome(of: error.errno)
        }
    }

    private static func outcome(of error: Errno) -> Probe.Outcome {
        switch error.rawValue {
        case ECONNREFUSED, ECONNRESET, EHOSTUNREACH, ENETUNREACH, EACCES: .refused
        case ETIMEDOUT: .timedOut
        default: .failed(error)
        }
    }
}

/// ICMP echo as raw sockets see it: IPv4 with its header in what is received, IPv6 without.
private enum EchoMessage {
    static func request(_ payload: [UInt8], isIPv6: Bool) -> [UInt8] {
        // Identifier and sequence are the payload's first bytes: random, and all of it comes back.
        var bytes: [UInt8] = [isIPv6 ? 128 : 8, 0, 0, 0] + payload
        // The kernel writes that of ICMPv6.
        if !isIPv6 { bytes.set(big: Checksum.internet(bytes), at: 2) }
        return bytes
    }

    static func isReply(_ packet: [UInt8], to request: [UInt8], isIPv6: Bool) -> Bool {
        let header = isIPv6 ? 0 : Int(packet.first ?? 0) & 15 * 4
        guard packet.count >= header + 8 else { return false }
        return packet[header] == (isIPv6 ? 129 : 0) && packet[(header + 4)...].elementsEqual(request[4...])
    }
}

// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc
package import Kernel

/// A blocking rtnetlink socket. It belongs to the network namespace in which it was opened, whichever
/// namespace its user is in later.
///
/// Every error is a ``SystemError`` that names the request and what it was about, with the kernel's own
/// explanation (the extended acknowledgement) as its detail.
package struct NetlinkSocket: ~Copyable, Sendable {
    private let fd: OwnedFD
    private var sequence: UInt32 = 0
    private var buffer = [UInt8](repeating: 0, count: 32768)

    /// Requests that go out in one datagram at most, so that their answers fit the receive buffer.
    private static let batchLimit = 64
    /// Answers come while a request is sent; this only guards against waiting for ever.
    private static let answerTimeout: Int32 = 10_000
    private static let dumpAttempts = 10

    /// In the calling thread's namespace.
    package init() throws(SystemError) {
        fd = try Self.open()
    }

    /// In another namespace.
    package init(in namespace: borrowing NetworkNamespace) throws(SystemError) {
        fd = try namespace.result { () throws(SystemError) in try Self.open() }.get()
    }

    private static func open() throws(SystemError) -> OwnedFD {
        let fd = OwnedFD(adopting: try checking("socket", "netlink") { clinux_netlink_open(NETLINK_ROUTE) })
        let raw = fd.raw
        try checking("setsockopt", "netlink") { clinux_netlink_receive_timeout(raw, answerTimeout) }
        return fd
    }

    /// Sends one request and waits for its acknowledgement.
    package mutating func perform(_ request: NetlinkRequest) throws(SystemError) {
        try perform([request])
    }

    /// Sends requests together, in one system call for up to 64 of them, and waits for all acknowledgements.
    ///
    /// The kernel goes through them in order and does not stop at one that fails: those after it are tried too.
    /// Throws the error of the first that failed. Gives the messages that answered each request, for those that
    /// ask (`get...`).
    @discardableResult
    package mutating func perform(_ requests: [NetlinkRequest]) throws(SystemError) -> [[NetlinkMessage]] {
        var answers: [[NetlinkMessage]] = []
        var failure: SystemError?
        var start = 0
        while start < requests.count {
            let chunk = requests[start..<min(start + Self.batchLimit, requests.count)]
            answers += try exchange(chunk, &failure)
            start = chunk.endIndex
        }
        if let failure { throw failure }
        return answers
    }

    /// Every object that the request's dump gives. Starts again when the kernel says that the list changed
    /// meanwhile, so that it is one consistent state.
    mutating func dump(_ request: NetlinkRequest) throws(SystemError) -> [NetlinkMessage] {
        for _ in 0..<Self.dumpAttempts {
            if let messages = try dumpOnce(request) { return messages }
        }
        throw request.error(.again, detail: "the list changed during each of \(Self.dumpAttempts) attempts")
    }

    // MARK: - Exchange

    private mutating func exchange(
        _ requests: ArraySlice<NetlinkRequest>, _ failure: inout SystemError?
    ) throws(SystemError) -> [[NetlinkMessage]] {
        let first = sequence &+ 1
        var bytes: [UInt8] = []
        for request in requests {
            sequence &+= 1
            request.appendEncoded(to: &bytes, sequence: sequence, flags: NLM_F_ACK)
        }
        try send(bytes, requests)

        var answers = [[NetlinkMessage]](repeating: [], count: requests.count)
        var acknowledged = [Bool](repeating: false, count: requests.count)
        var waiting = requests.count
        while waiting > 0 {
            for message in try receive(for: requests[requests.startIndex]) {
                // Anything else is the rest of an exchange that failed half-way.
                let position = Int(message.sequence &- first)
                guard position < requests.count, !acknowledged[position] else { continue }
                let request = requests[requests.startIndex + position]
                guard message.type == Int(NLMSG_ERROR) else {
                    answers[position].append(message)
                    continue
                }
                acknowledged[position] = true
                waiting -= 1
                let error = try Self.error(in: message, of: request)
                // The first in order of the requests, which is the order of their answers.
                if let error, !request.tolerated.contains(error.errno), failure == nil { failure = error }
            }
        }
        return answers
    }

    /// nil if it has to be done again.
    private mutating func dumpOnce(_ request: NetlinkRequest) throws(SystemError) -> [NetlinkMessage]? {
        sequence &+= 1
        try send(request.encoded(sequence: sequence, flags: NLM_F_DUMP), [request])
        var messages: [NetlinkMessage] = []
        var isInterrupted = false
        while true {
            let received: [NetlinkMessage]
            do { received = try receive(for: request) } catch {
                // Answers were lost or cut: the buffer has grown, or will have room.
                if error.errno == .noBuffers { return nil }
                throw error
            }
            for message in received where message.sequence == sequence {
                isInterrupted = isInterrupted || message.flags & NLM_F_DUMP_INTR != 0
                switch message.type {
                case Int(NLMSG_DONE):
                    // A dump that fails on its way says so at its end.
                    if let error = try Self.error(in: message, of: request) { throw error }
                    return isInterrupted ? nil : messages
                case Int(NLMSG_ERROR):
                    if let error = try Self.error(in: message, of: request) { throw error }
                default:
                    messages.append(message)
                }
            }
        }
    }

    private borrowing func send(
        _ bytes: [UInt8], _ requests: ArraySlice<NetlinkRequest>
    ) throws(SystemError) {
        let raw = fd.raw
        try checking("send", "netlink: \(requests.map(\.action).joined(separator: ", "))") {
            unsafe bytes.withUnsafeBytes { unsafe clinux_netlink_send(raw, $0.baseAddress, $0.count) }
        }
    }

    /// One datagram. ENOBUFS if answers were lost, which are then to be asked for again.
    private mutating func receive(for request: NetlinkRequest) throws(SystemError) -> [NetlinkMessage] {
        let raw = fd.raw
        let count: Int
        do {
            count = Int(
                try checking("receive", "netlink") {
                    unsafe buffer.withUnsafeMutableBytes {
                        unsafe clinux_netlink_receive(raw, $0.baseAddress, $0.count, 0)
                    }
                })
        } catch {
            throw request.error(error.errno == .again ? .timedOut : error.errno, detail: "no answer")
        }
        guard count <= buffer.count else {
            buffer = [UInt8](repeating: 0, count: count)
            throw request.error(.noBuffers, detail: "an answer of \(count) bytes was cut")
        }
        return try NetlinkMessage.split(Array(buffer[..<count])[...])
    }

    /// The error that NLMSG_ERROR or NLMSG_DONE carries; nil for an acknowledgement.
    private static func error(
        in message: NetlinkMessage, of request: NetlinkRequest
    ) throws(SystemError) -> SystemError? {
        guard let code = message.body.load(Int32.self) else {
            // The end of a dump may come without a code.
            if message.type == Int(NLMSG_DONE) { return nil }
            throw request.error(.protocolViolation, detail: "short acknowledgement")
        }
        guard code < 0 else { return nil }
        return request.error(Errno(rawValue: -code), detail: explanation(in: message))
    }

    /// The text of the extended acknowledgement, and which attribute it is about, if the kernel says so.
    private static func explanation(in message: NetlinkMessage) -> String {
        guard message.flags & NLM_F_ACK_TLVS != 0 else { return "" }
        var skip = 4
        if message.type == Int(NLMSG_ERROR) {
            // The request's header follows the code, and all of the request if it isn't capped.
            skip += NetlinkMessage.headerSize
            if message.flags & NLM_F_CAPPED == 0, let echoed = message.body.dropFirst(4).load(UInt32.self) {
                skip = 4 + max(Int(echoed), NetlinkMessage.headerSize)
            }
        }
        return AttributeSet(message.body, skipping: skip).string(Int(NLMSGERR_ATTR_MSG.rawValue)) ?? ""
    }
}

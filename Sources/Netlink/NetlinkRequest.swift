// SPDX-License-Identifier: Apache-2.0
import CLinux
package import Kernel

/// One request to the kernel, ready to be sent. The static functions of the extensions make them; what they say
/// about idempotence holds for ``NetlinkSocket/perform(_:)``.
package struct NetlinkRequest: Sendable {
    /// For errors: what is asked ("create link") and of what ("eth0").
    package let action: String
    package let subject: String
    package let type: Int
    package let flags: Int32
    package let body: [UInt8]
    /// Errors that mean that all is as it should be.
    package private(set) var tolerated: [Errno] = []

    init(
        _ action: String, _ subject: String, type: Int, flags: Int32 = 0, _ build: (inout MessageBuilder) -> Void
    ) {
        var builder = MessageBuilder()
        build(&builder)
        self.action = action
        self.subject = subject
        self.type = type
        self.flags = flags
        body = builder.bytes
    }

    /// The same request, failing with one of these being a success.
    package func tolerating(_ errors: Errno...) -> NetlinkRequest {
        var copy = self
        copy.tolerated += errors
        return copy
    }

    /// Header and body as they go over the socket.
    package func encoded(sequence: UInt32, flags extra: Int32 = 0) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(NetlinkMessage.headerSize + body.count)
        appendEncoded(to: &bytes, sequence: sequence, flags: extra)
        return bytes
    }

    func appendEncoded(to bytes: inout [UInt8], sequence: UInt32, flags extra: Int32) {
        let header = nlmsghdr(
            nlmsg_len: UInt32(NetlinkMessage.headerSize + body.count), nlmsg_type: UInt16(truncatingIfNeeded: type),
            nlmsg_flags: UInt16(truncatingIfNeeded: NLM_F_REQUEST | flags | extra), nlmsg_seq: sequence,
            nlmsg_pid: 0)
        unsafe withUnsafeBytes(of: header) { unsafe bytes.append(contentsOf: $0) }
        bytes += body
    }

    /// The error that the kernel gave for this request.
    func error(_ errno: Errno, detail: String = "") -> SystemError {
        SystemError(action, errno, subject, detail: detail)
    }
}

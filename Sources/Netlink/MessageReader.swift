// SPDX-License-Identifier: Apache-2.0
import CLinux
package import Kernel

/// One message of a datagram.
package struct NetlinkMessage: Sendable {
    package let type: Int
    package let flags: Int32
    package let sequence: UInt32
    /// What follows the header.
    package let body: ArraySlice<UInt8>

    static let headerSize = 16

    /// Splits a datagram. EPROTO if a length in it is impossible.
    package static func split(_ datagram: ArraySlice<UInt8>) throws(SystemError) -> [NetlinkMessage] {
        var messages: [NetlinkMessage] = []
        var rest = datagram
        while let header = rest.load(nlmsghdr.self) {
            let length = Int(header.nlmsg_len)
            guard length >= headerSize, length <= rest.count else {
                throw SystemError("receive", .protocolViolation, "netlink", detail: "message length \(length)")
            }
            messages.append(
                NetlinkMessage(
                    type: Int(header.nlmsg_type), flags: Int32(header.nlmsg_flags), sequence: header.nlmsg_seq,
                    body: rest.dropFirst(headerSize).prefix(length - headerSize)))
            rest = rest.dropFirst(aligned(length))
        }
        return messages
    }
}

/// The attributes of a message or of a nested attribute, each type once: of repeated ones the last counts.
package struct AttributeSet: Sendable {
    private var payloads: [(type: Int, payload: ArraySlice<UInt8>)] = []

    /// What follows a message's fixed header of `skipping` bytes. A length that does not fit ends the list: what
    /// comes before it is valid.
    package init(_ bytes: ArraySlice<UInt8>, skipping: Int = 0) {
        var rest = bytes.dropFirst(aligned(skipping))
        while let header = rest.load(nlattr.self) {
            let length = Int(header.nla_len)
            guard length >= 4, length <= rest.count else { return }
            payloads.append((Int(header.nla_type) & 0x3fff, rest.dropFirst(4).prefix(length - 4)))
            rest = rest.dropFirst(aligned(length))
        }
    }

    /// The payload of an attribute.
    package subscript(type: Int) -> ArraySlice<UInt8>? {
        payloads.last { $0.type == type }?.payload
    }

    package func uint32(_ type: Int) -> UInt32? { self[type]?.load(UInt32.self) }

    package func int32(_ type: Int) -> Int32? { self[type]?.load(Int32.self) }

    /// Up to the first zero.
    package func string(_ type: Int) -> String? {
        self[type].map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    package func nested(_ type: Int) -> AttributeSet? {
        self[type].map { AttributeSet($0) }
    }
}

/// Lengths are padded to four bytes.
func aligned(_ length: Int) -> Int { (length + 3) & ~3 }

extension ArraySlice<UInt8> {
    /// The value whose bytes begin the slice, nil if it is too short.
    func load<Value: BitwiseCopyable>(_ type: Value.Type) -> Value? {
        guard count >= MemoryLayout<Value>.size else { return nil }
        return unsafe withUnsafeBytes { unsafe $0.loadUnaligned(as: type) }
    }
}

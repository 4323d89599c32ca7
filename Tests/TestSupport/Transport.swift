// SPDX-License-Identifier: Apache-2.0

/// What an IP packet carries.
package enum Transport: Hashable, Sendable {
    case tcp(TCPHeader)
    case udp(UDPHeader)
    case sctp(SCTPHeader)
    /// ICMP or ICMPv6, as the IP header is.
    case icmp(ICMPHeader)
    /// Only the payload, under this number.
    case other(protocol: UInt8)

    func protocolNumber(in ip: IPHeader) -> UInt8 {
        switch self {
        case .tcp: 6
        case .udp: 17
        case .sctp: 132
        case .icmp: ip.isIPv6 ? 58 : 1
        case .other(let number): number
        }
    }

    func encode(payload: [UInt8], in ip: IPHeader) -> [UInt8] {
        switch self {
        case .tcp(let header): header.encode(payload, ip)
        case .udp(let header): header.encode(payload, ip)
        case .sctp(let header): header.encode(payload)
        case .icmp(let header): header.encode(payload, ip)
        case .other: payload
        }
    }

    var swapped: Transport {
        switch self {
        case .tcp(var header):
            (header.source, header.destination) = (header.destination, header.source)
            return .tcp(header)
        case .udp(var header):
            (header.source, header.destination) = (header.destination, header.source)
            return .udp(header)
        case .sctp(var header):
            (header.source, header.destination) = (header.destination, header.source)
            return .sctp(header)
        case .icmp(var header):
            switch header.type {
            case 8: header.type = 0
            case 0: header.type = 8
            case 128: header.type = 129
            case 129: header.type = 128
            default: break
            }
            return .icmp(header)
        case .other: return self
        }
    }
}

package struct TCPFlags: OptionSet, Hashable, Sendable {
    package let rawValue: UInt8

    package init(rawValue: UInt8) { self.rawValue = rawValue }

    package static let fin = TCPFlags(rawValue: 1)
    package static let syn = TCPFlags(rawValue: 2)
    package static let rst = TCPFlags(rawValue: 4)
    package static let psh = TCPFlags(rawValue: 8)
    package static let ack = TCPFlags(rawValue: 16)
}

package struct TCPHeader: Hashable, Sendable {
    package var source: UInt16
    package var destination: UInt16
    package var flags: TCPFlags
    package var sequence: UInt32 = 1
    package var acknowledgement: UInt32 = 0
    package var window: UInt16 = 64_240
    /// A multiple of 4 bytes.
    package var options: [UInt8] = []
    /// Data offset in words of 4 bytes; nil: right.
    package var headerWords: UInt8?
    package var checksum: UInt16?

    package init(from source: UInt16, to destination: UInt16, flags: TCPFlags) {
        self.source = source
        self.destination = destination
        self.flags = flags
    }

    fileprivate func encode(_ payload: [UInt8], _ ip: IPHeader) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(big: source)
        bytes.append(big: destination)
        bytes.append(big: sequence)
        bytes.append(big: acknowledgement)
        bytes += [(headerWords ?? UInt8(5 + options.count / 4)) << 4, flags.rawValue]
        bytes.append(big: window)
        bytes += [0, 0, 0, 0] + options + payload
        bytes.set(big: checksum ?? Checksum.internet(ip.pseudoHeader(6, length: bytes.count) + bytes), at: 16)
        return bytes
    }
}

package struct UDPHeader: Hashable, Sendable {
    package var source: UInt16
    package var destination: UInt16
    /// Nil: right.
    package var length: UInt16?
    /// 0 for none (IPv4 only); nil: right.
    package var checksum: UInt16?

    package init(from source: UInt16, to destination: UInt16) {
        self.source = source
        self.destination = destination
    }

    fileprivate func encode(_ payload: [UInt8], _ ip: IPHeader) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(big: source)
        bytes.append(big: destination)
        bytes.append(big: length ?? UInt16(truncatingIfNeeded: 8 + payload.count))
        bytes += [0, 0] + payload
        let right = Checksum.internet(ip.pseudoHeader(17, length: bytes.count) + bytes)
        bytes.set(big: checksum ?? (right == 0 ? 0xffff : right), at: 6)
        return bytes
    }
}

package struct SCTPHeader: Hashable, Sendable {
    /// RFC 9260, 3.2.
    package struct Chunk: Hashable, Sendable {
        package var type: UInt8
        package var flags: UInt8
        package var value: [UInt8]
        /// Nil: right.
        package var length: UInt16?

        package init(type: UInt8, flags: UInt8 = 0, value: [UInt8] = [], length: UInt16? = nil) {
            self.type = type
            self.flags = flags
            self.value = value
            self.length = length
        }

        package static let data = Chunk(type: 0, flags: 3, value: [0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4])
        package static let initiation = Chunk(
            type: 1, value: [0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1])
        package static let initiationAcknowledgement = Chunk(type: 2, value: initiation.value)
        package static let heartbeat = Chunk(type: 4, value: [0, 1, 0, 8, 1, 2, 3, 4])
        package static let abort = Chunk(type: 6)
        package static let shutdown = Chunk(type: 7, value: [0, 0, 0, 1])
        package static let shutdownAcknowledgement = Chunk(type: 8)
        package static let cookieEcho = Chunk(type: 10, value: [1, 2, 3, 4])
        package static let cookieAcknowledgement = Chunk(type: 11)
        package static let shutdownComplete = Chunk(type: 14)

        fileprivate var bytes: [UInt8] {
            var bytes = [type, flags]
            bytes.append(big: length ?? UInt16(truncatingIfNeeded: 4 + value.count))
            return bytes + value + [UInt8](repeating: 0, count: (4 - value.count % 4) % 4)
        }
    }

    package var source: UInt16
    package var destination: UInt16
    package var verificationTag: UInt32 = 1
    package var chunks: [Chunk]
    package var checksum: UInt32?

    package init(from source: UInt16, to destination: UInt16, chunks: [Chunk]) {
        self.source = source
        self.destination = destination
        self.chunks = chunks
    }

    fileprivate func encode(_ payload: [UInt8]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(big: source)
        bytes.append(big: destination)
        bytes.append(big: verificationTag)
        bytes += [0, 0, 0, 0] + chunks.flatMap(\.bytes) + payload
        // The checksum goes with its lowest byte first.
        let value = checksum ?? Checksum.crc32c(bytes)
        for index in 0..<4 { bytes[8 + index] = UInt8(truncatingIfNeeded: value >> UInt32(8 * index)) }
        return bytes
    }
}

package struct ICMPHeader: Hashable, Sendable {
    package var type: UInt8
    package var code: UInt8
    /// The four bytes behind the checksum: identifier and sequence of echoes, the MTU of "packet too big".
    package var rest: UInt32
    package var checksum: UInt16?

    package init(type: UInt8, code: UInt8 = 0, rest: UInt32 = 0) {
        self.type = type
        self.code = code
        self.rest = rest
    }

    fileprivate func encode(_ payload: [UInt8], _ ip: IPHeader) -> [UInt8] {
        var bytes = [type, code, 0, 0]
        bytes.append(big: rest)
        bytes += payload
        let covered = ip.isIPv6 ? ip.pseudoHeader(58, length: bytes.count) + bytes : bytes
        bytes.set(big: checksum ?? Checksum.internet(covered), at: 2)
        return bytes
    }
}

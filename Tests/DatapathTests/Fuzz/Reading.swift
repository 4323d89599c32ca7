// SPDX-License-Identifier: Apache-2.0
import NetTypes

/// What a frame says, read after the RFCs and without haste: the other opinion in the fuzz test. Nil for what no pod
/// may send or get.
struct Reading {
    enum Kind {
        /// May begin a flow or go on with it.
        case flow
        /// Begins one.
        case opening
        /// Can only answer.
        case reply
        /// Speaks of a packet that it quotes.
        case error
    }

    struct Fragment {
        var id: UInt32
        /// What the IP header or the fragment header names.
        var number: UInt8
        /// Bytes.
        var offset: Int
        /// Of a first one: how far it tells what the datagram is.
        var told = 0
    }

    /// The addresses of the packet; of an error, those of the packet that it quotes, the other way round.
    var source: IPAddress
    var destination: IPAddress
    var isIPv6: Bool
    var number: UInt8 = 0
    /// Of an echo the identifier, twice.
    var sourcePort: UInt16 = 0
    var destinationPort: UInt16 = 0
    var kind = Kind.flow
    /// Of echoes: whether the sender asks.
    var asks: Bool?
    /// FIN or RST, or what stands for them in SCTP.
    var isEnd = false
    /// An error whose sender is not whom the quoted packet was for.
    var isRelayed = false
    var fragment: Fragment?

    init?(_ frame: [UInt8]) {
        guard frame.count >= 14 else { return nil }
        switch frame.word(12) {
        case 0x0800:
            guard let reading = Reading(ipv4: frame) else { return nil }
            self = reading
        case 0x86dd:
            guard let reading = Reading(ipv6: frame) else { return nil }
            self = reading
        default: return nil
        }
    }

    /// Whom a frame is from and for, whatever else it says; nil: it is no IP.
    static func addresses(_ frame: [UInt8]) -> (source: IPAddress, destination: IPAddress, isIPv6: Bool)? {
        guard frame.count >= 34 else { return nil }
        switch frame.word(12) {
        case 0x0800: return (frame.ipv4(26), frame.ipv4(30), false)
        case 0x86dd: return frame.count < 54 ? nil : (frame.ipv6(22), frame.ipv6(38), true)
        default: return nil
        }
    }

    /// RFC 791, 3.1.
    private init?(ipv4 frame: [UInt8]) {
        let start = 14
        guard frame.count >= start + 20, frame[start] >> 4 == 4 else { return nil }
        let header = Int(frame[start] & 15) * 4
        let total = Int(frame.word(start + 2))
        guard header >= 20, total >= header, start + total <= frame.count else { return nil }
        source = frame.ipv4(start + 12)
        destination = frame.ipv4(start + 16)
        isIPv6 = false
        guard source != destination else { return nil }
        number = frame[start + 9]
        let field = frame.word(start + 6)
        let offset = Int(field & 0x1fff) * 8
        if field & 0x3fff != 0 {
            guard offset + total - header <= 65_515 else { return nil }
            fragment = Fragment(id: UInt32(frame.word(start + 4)), number: number, offset: offset)
            if offset > 0 { return }
        }
        guard readTransport(frame, start + header, end: start + total) else { return nil }
        let told = transportHeader
        fragment?.told = told
    }

    /// RFC 8200, 3 and 4.
    private init?(ipv6 frame: [UInt8]) {
        let start = 14
        guard frame.count >= start + 40, frame[start] >> 4 == 6 else { return nil }
        let end = start + 40 + Int(frame.word(start + 4))
        guard end <= frame.count else { return nil }
        source = frame.ipv6(start + 8)
        destination = frame.ipv6(start + 24)
        isIPv6 = true
        guard source != destination, !source.isIPv4, !destination.isIPv4 else { return nil }
        number = frame[start + 6]
        var next = start + 40
        var data = next
        var count = 0
        while [0, 43, 44, 51, 60].contains(number) {
            // Six are walked over; the first hop's options come first or not at all.
            guard count < 6, number != 0 || count == 0 else { return nil }
            if let fragment, fragment.offset > 0 { break }
            guard next + 8 <= end else { return nil }
            var length = (Int(frame[next + 1]) + 1) * 8
            if number == 51 { length = (Int(frame[next + 1]) + 2) * 4 }
            if number == 43, frame[next + 2] == 0 { return nil }
            if number == 44 {
                guard fragment == nil else { return nil }
                length = 8
                let field = frame.word(next + 2)
                fragment = Fragment(
                    id: UInt32(frame.word(next + 4)) << 16 | UInt32(frame.word(next + 6)), number: frame[next],
                    offset: Int(field & 0xfff8))
                isWhole = field & 0xfff9 == 0
            }
            guard next + length <= end else { return nil }
            if number == 44 { data = next + length }
            number = frame[next]
            next += length
            count += 1
            // No more than the headers' part of a packet is looked at.
            guard next <= 256 else { return nil }
        }
        guard number != 59 else { return nil }
        if isWhole { fragment = nil }
        if let fragment {
            guard fragment.offset + end - next <= 65_535 else { return nil }
            if fragment.offset > 0 { return }
        }
        guard readTransport(frame, next, end: end) else { return nil }
        let told = next - data + transportHeader
        fragment?.told = told
    }

    /// Without TCP's options.
    private var transportHeader: Int { number == 6 ? 20 : number == 132 ? 16 : 8 }

    /// RFC 6946: a fragment header on a packet that was not cut.
    private var isWhole = false

    private mutating func readTransport(_ frame: [UInt8], _ start: Int, end: Int) -> Bool {
        guard end - start >= 8 else { return false }
        switch number {
        case 6: return readTCP(frame, start, end)
        case 17: return readUDP(frame, start, end)
        case 132: return readSCTP(frame, start, end)
        case 1: return !isIPv6 && readICMP(frame, start, end, request: 8, reply: 0, errors: [3, 11, 12])
        case 58: return isIPv6 && readICMP(frame, start, end, request: 128, reply: 129, errors: [1, 2, 3, 4])
        default: return false
        }
    }

    /// RFC 9293, 3.1.
    private mutating func readTCP(_ frame: [UInt8], _ start: Int, _ end: Int) -> Bool {
        guard end - start >= 20 else { return false }
        let header = Int(frame[start + 12] >> 4) * 4
        guard header >= 20, start + header <= end else { return false }
        (sourcePort, destinationPort) = (frame.word(start), frame.word(start + 2))
        guard sourcePort != 0, destinationPort != 0 else { return false }
        // URG, PSH and what is above don't matter.
        switch frame[start + 13] & 0x17 {
        case 0x02: kind = .opening
        case 0x12: kind = .reply
        case 0x10: kind = .flow
        case 0x11, 0x04, 0x14: isEnd = true
        default: return false
        }
        return true
    }

    /// RFC 768. The length of a datagram in fragments is that of the whole.
    private mutating func readUDP(_ frame: [UInt8], _ start: Int, _ end: Int) -> Bool {
        let length = Int(frame.word(start + 4))
        guard length >= 8, fragment != nil || start + length <= end else { return false }
        (sourcePort, destinationPort) = (frame.word(start), frame.word(start + 2))
        return destinationPort != 0
    }

    /// RFC 9260, 3: the common header and the first chunk's.
    private mutating func readSCTP(_ frame: [UInt8], _ start: Int, _ end: Int) -> Bool {
        guard end - start >= 16 else { return false }
        (sourcePort, destinationPort) = (frame.word(start), frame.word(start + 2))
        switch frame[start + 12] {
        case 1: kind = .opening
        case 2: kind = .reply
        case 6, 7, 8, 14: isEnd = true
        default: break
        }
        return sourcePort != 0 && destinationPort != 0
    }

    /// RFC 792 and RFC 4443: echoes, and errors about a packet of the receiver.
    private mutating func readICMP(
        _ frame: [UInt8], _ start: Int, _ end: Int, request: UInt8, reply: UInt8, errors: [UInt8]
    ) -> Bool {
        let type = frame[start]
        if type == request || type == reply {
            sourcePort = frame.word(start + 4)
            destinationPort = sourcePort
            asks = type == request
            if type == reply { kind = .reply }
            return true
        }
        guard errors.contains(type), fragment == nil else { return false }
        return isIPv6 ? readQuotedIPv6(frame, start + 8, end) : readQuotedIPv4(frame, start + 8, end)
    }

    private mutating func readQuotedIPv4(_ frame: [UInt8], _ start: Int, _ end: Int) -> Bool {
        guard start + 20 <= end, frame[start] >> 4 == 4, frame[start] & 15 >= 5,
            frame.word(start + 6) & 0x1fff == 0
        else { return false }
        return readQuoted(
            frame, start + Int(frame[start] & 15) * 4, end, number: frame[start + 9], from: frame.ipv4(start + 12),
            to: frame.ipv4(start + 16))
    }

    private mutating func readQuotedIPv6(_ frame: [UInt8], _ start: Int, _ end: Int) -> Bool {
        guard start + 40 <= end, frame[start] >> 4 == 6 else { return false }
        var number = frame[start + 6]
        var next = start + 40
        if number == 44 {
            guard next + 8 <= end, frame.word(next + 2) & 0xfff8 == 0 else { return false }
            number = frame[next]
            next += 8
        }
        return readQuoted(
            frame, next, end, number: number, from: frame.ipv6(start + 8), to: frame.ipv6(start + 24))
    }

    private mutating func readQuoted(
        _ frame: [UInt8], _ start: Int, _ end: Int, number: UInt8, from: IPAddress, to: IPAddress
    ) -> Bool {
        guard start + 8 <= end, from == destination, from != to else { return false }
        isRelayed = source != to
        kind = .error
        self.number = number
        (source, destination) = (to, from)
        if number == 1 || number == 58 {
            let request: UInt8 = number == 1 ? 8 : 128
            let reply: UInt8 = number == 1 ? 0 : 129
            guard frame[start] == request || frame[start] == reply else { return false }
            sourcePort = frame.word(start + 4)
            destinationPort = sourcePort
            // Who sent the quoted packet gets the error.
            asks = frame[start] == reply
        } else {
            (sourcePort, destinationPort) = (frame.word(start + 2), frame.word(start))
        }
        return true
    }
}

extension [UInt8] {
    func word(_ offset: Int) -> UInt16 { UInt16(self[offset]) << 8 | UInt16(self[offset + 1]) }

    func ipv4(_ offset: Int) -> IPAddress { IPAddress(v4: UInt32(word(offset)) << 16 | UInt32(word(offset + 2))) }

    func ipv6(_ offset: Int) -> IPAddress {
        var halves: (UInt64, UInt64) = (0, 0)
        for index in 0..<4 {
            halves.0 = halves.0 << 16 | UInt64(word(offset + 2 * index))
            halves.1 = halves.1 << 16 | UInt64(word(offset + 8 + 2 * index))
        }
        return IPAddress(high: halves.0, low: halves.1)
    }
}

// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// An IPv4 or IPv6 header; the family is that of `source`, unless `isIPv6` says otherwise. What belongs to the other
/// family is left out of the encoding.
package struct IPHeader: Hashable, Sendable {
    package var source: IPAddress
    package var destination: IPAddress
    package var isIPv6: Bool
    package var hopLimit: UInt8 = 64
    package var trafficClass: UInt8 = 0

    // IPv4
    package var identification: UInt16 = 0
    /// Bytes, a multiple of 8.
    package var fragmentOffset = 0
    package var moreFragments = false
    package var dontFragment = true
    /// Padded with zeros to a multiple of 4; at most 40 bytes.
    package var options: [UInt8] = []

    // IPv6
    package var flowLabel: UInt32 = 0
    /// In the order of the packet.
    package var extensions: [IPv6Extension] = []

    // Overrides; nil: right.
    package var version: UInt8?
    /// IPv4 IHL, in words of 4 bytes.
    package var headerWords: UInt8?
    /// IPv4 total length or IPv6 payload length.
    package var length: UInt16?
    /// Protocol or last next header.
    package var protocolNumber: UInt8?
    package var checksum: UInt16?

    package init(from source: IPAddress, to destination: IPAddress) {
        self.source = source
        self.destination = destination
        isIPv6 = !source.isIPv4
    }

    func encode(carrying number: UInt8, _ content: [UInt8]) -> [UInt8] {
        let number = protocolNumber ?? number
        return isIPv6 ? encodeIPv6(number, content) : encodeIPv4(number, content)
    }

    private func encodeIPv4(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
        let padded = options + [UInt8](repeating: 0, count: (4 - options.count % 4) % 4)
        let size = 20 + padded.count
        var header: [UInt8] = [(version ?? 4) << 4 | (headerWords ?? UInt8(size / 4)) & 15, trafficClass]
        header.reserveCapacity(size + content.count)
        header.append(big: length ?? UInt16(truncatingIfNeeded: size + content.count))
        header.append(big: identification)
        header.append(
            big: (dontFragment ? 0x4000 : 0) | (moreFragments ? 0x2000 : 0)
                | UInt16(truncatingIfNeeded: fragmentOffset / 8) & 0x1fff)
        header += [hopLimit, number, 0, 0]
        header += source.mappedBytes[12...] + destination.mappedBytes[12...]
        header += padded
        header.set(big: checksum ?? Checksum.internet(header), at: 10)
        return header + content
    }

    private func encodeIPv6(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
        let (first, chain) = encodeExtensions(before: number)
        var header: [UInt8] = []
        header.reserveCapacity(40 + chain.count + content.count)
        header.append(big: UInt32(version ?? 6) << 28 | UInt32(trafficClass) << 20 | flowLabel & 0xfffff)
        header.append(big: length ?? UInt16(truncatingIfNeeded: chain.count + content.count))
        header += [first, hopLimit]
        header += source.mappedBytes + destination.mappedBytes
        return header + chain + content
    }

    /// The number of the first header and the bytes of all.
    private func encodeExtensions(before number: UInt8) -> (first: UInt8, bytes: [UInt8]) {
        var next = number
        var chain: [UInt8] = []
        for part in extensions.reversed() {
            chain = part.encode(next: next) + chain
            next = part.number
        }
        return (next, chain)
    }

    /// RFC 9293 3.1 and RFC 8200 8.1: addresses, length and protocol that transport checksums cover.
    func pseudoHeader(_ number: UInt8, length: Int) -> [UInt8] {
        var bytes =
            isIPv6
            ? source.mappedBytes + destination.mappedBytes
            : Array(source.mappedBytes[12...] + destination.mappedBytes[12...])
        bytes.append(big: UInt32(number))
        bytes.append(big: UInt32(length))
        return bytes
    }
}

/// An IPv6 extension header (RFC 8200, 4).
package enum IPv6Extension: Hashable, Sendable {
    /// Options as type, length, value; padded to a multiple of 8 with PadN.
    case hopByHop([UInt8])
    case routing(type: UInt8, segmentsLeft: UInt8, data: [UInt8])
    /// - Parameter offset: bytes, a multiple of 8.
    case fragment(id: UInt32, offset: Int, more: Bool)
    case destination([UInt8])
    /// RFC 4302, with 12 bytes of integrity check value.
    case authentication
    /// A header of any number whose second byte is `length`, right or wrong, followed by `data`.
    case raw(number: UInt8, length: UInt8, data: [UInt8])

    var number: UInt8 {
        switch self {
        case .hopByHop: 0
        case .routing: 43
        case .fragment: 44
        case .destination: 60
        case .authentication: 51
        case .raw(let number, _, _): number
        }
    }

    func encode(next: UInt8) -> [UInt8] {
        switch self {
        case .hopByHop(let options), .destination(let options):
            var body = options
            switch (8 - (body.count + 2) % 8) % 8 {
            case 0: break
            case 1: body.append(0)
            case let gap: body += [1, UInt8(gap - 2)] + [UInt8](repeating: 0, count: gap - 2)
            }
            return [next, UInt8((body.count + 2) / 8 - 1)] + body
        case .routing(let type, let segmentsLeft, let data):
            let body = [type, segmentsLeft] + data
            let padding = [UInt8](repeating: 0, count: (8 - (body.count + 2) % 8) % 8)
            return [next, UInt8((body.count + padding.count + 2) / 8 - 1)] + body + padding
        case .fragment(let id, let offset, let more):
            var bytes: [UInt8] = [next, 0]
            bytes.append(big: UInt16(truncatingIfNeeded: offset) & 0xfff8 | (more ? 1 : 0))
            bytes.append(big: id)
            return bytes
        case .authentication:
            // Length in words of 4 bytes, less 2.
            return [next, 4, 0, 0] + [0, 0, 0, 1, 0, 0, 0, 1] + [UInt8](repeating: 0xaa, count: 12)
        case .raw(_, let length, let data):
            return [next, length] + data
        }
    }
}

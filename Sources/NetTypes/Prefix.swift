// SPDX-License-Identifier: Apache-2.0

/// An address range `address/length`. Bits past the length are zero: two texts of one range are equal.
///
/// Order is by address, then the shorter (wider) first, so a prefix sorts right before what it covers.
package struct Prefix: Hashable, Sendable {
    package let address: IPAddress
    private let bits: UInt8

    /// Length in the address's own family: 0...32 or 0...128.
    package var length: Int { address.isIPv4 ? Int(bits) - 96 : Int(bits) }

    /// Length in the 16-byte form: IPv4's is 96 more. The prefix length of an LPM key over mapped addresses.
    package var mappedLength: Int { Int(bits) }

    package var isIPv4: Bool { address.isIPv4 }

    /// Bits of `address` past `length` are cleared. nil if `length` is not one of the address's family.
    package init?(_ address: IPAddress, length: Int) {
        guard length >= 0, length <= address.bitWidth else { return nil }
        self.init(address, mappedLength: UInt8(address.isIPv4 ? length + 96 : length))
    }

    /// The prefix that holds one address: /32 or /128.
    package init(host address: IPAddress) {
        self.init(address, mappedLength: 128)
    }

    /// `mappedLength` is at least 96 if the masked result shall be IPv4.
    init(_ address: IPAddress, mappedLength: UInt8) {
        self.address = address.masked(to: mappedLength)
        bits = mappedLength
    }

    /// 0.0.0.0/0.
    package static let allIPv4 = Prefix(.unspecifiedIPv4, mappedLength: 96)
    /// ::/0, which does not contain IPv4.
    package static let allIPv6 = Prefix(.unspecifiedIPv6, mappedLength: 0)

    /// False across families: ::/0 contains no IPv4 address.
    package func contains(_ other: IPAddress) -> Bool {
        other.masked(to: bits) == address && other.isIPv4 == address.isIPv4
    }

    /// True for itself; false across families.
    package func contains(_ other: Prefix) -> Bool {
        other.bits >= bits && contains(other.address)
    }

    /// True if one contains the other, the only way two prefixes can share addresses.
    package func overlaps(_ other: Prefix) -> Bool {
        contains(other) || other.contains(self)
    }

    package var isHost: Bool { bits == 128 }

    /// The highest address in it.
    package var lastAddress: IPAddress {
        let hostMask = IPAddress(high: .max, low: .max).masked(to: bits)
        return IPAddress(high: address.high | ~hostMask.high, low: address.low | ~hostMask.low)
    }

    /// How many addresses it holds; `UInt64.max` if more than that.
    package var addressCount: UInt64 {
        bits <= 64 ? .max : 1 << UInt64(128 - bits)
    }
}

extension Prefix: Comparable {
    package static func < (a: Prefix, b: Prefix) -> Bool {
        a.address == b.address ? a.bits < b.bits : a.address < b.address
    }
}

extension IPAddress {
    /// With all but the first `bits` of the 16-byte form cleared.
    @inline(__always)
    func masked(to bits: UInt8) -> IPAddress {
        // A smart shift by 64 gives zero, which is what an all-zero mask needs.
        bits <= 64
            ? IPAddress(high: high & ~(UInt64.max >> bits), low: 0)
            : IPAddress(high: high, low: low & ~(UInt64.max >> (bits - 64)))
    }
}

extension Prefix: CustomStringConvertible {
    /// `address/length` of a dotted quad or RFC 4291 text; bits past the length are cleared. The length is
    /// decimal without sign or leading zeros. A mapped address with a length of 96 or more is the IPv4 prefix.
    package init?(_ text: some StringProtocol) {
        let bytes = text.utf8
        guard let slash = bytes.firstIndex(of: ASCII.slash) else { return nil }
        let digits = bytes[bytes.index(after: slash)...]
        guard let address = IPAddress(text[..<slash]), !digits.isEmpty, digits.count <= 3 else { return nil }
        var length = 0
        for digit in digits {
            guard digit >= ASCII.zero, digit <= ASCII.nine else { return nil }
            length = length * 10 + Int(digit - ASCII.zero)
        }
        if digits.first == ASCII.zero, digits.count > 1 { return nil }
        if address.isIPv4, bytes.contains(ASCII.colon) {
            guard length <= 128 else { return nil }
            self.init(address, mappedLength: UInt8(length))
        } else {
            self.init(address, length: length)
        }
    }

    package var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(43)
        address.appendText(to: &text)
        text.append(ASCII.slash)
        ASCII.append(decimal: length, to: &text)
        return String(decoding: text, as: UTF8.self)
    }
}

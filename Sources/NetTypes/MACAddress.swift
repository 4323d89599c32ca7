// SPDX-License-Identifier: Apache-2.0

/// A 48-bit Ethernet address.
package struct MACAddress: Hashable, Sendable {
    /// The address as a number, the first byte on the wire being the most significant of the 48 bits.
    package let value: UInt64

    /// The upper 16 bits of `value` are ignored.
    package init(value: UInt64) {
        self.value = value & 0xffff_ffff_ffff
    }

    /// Six bytes in wire order; nil for any other count.
    ///
    /// Of one type, as is the text below: the plugin, which lives for milliseconds, would spend a twentieth of them on
    /// finding out at run time what to do with any.
    package init?(bytes: ArraySlice<UInt8>) {
        guard bytes.count == 6 else { return nil }
        self.init(value: bytes.reduce(0) { $0 << 8 | UInt64($1) })
    }

    /// What a pod has as its gateway's address: `0a:5c:00:00:hh:ll`, the endpoint's number in the last two
    /// bytes. It is locally administered, so it collides with no vendor's.
    package static func gateway(endpoint: UInt16) -> MACAddress {
        MACAddress(value: 0x0a5c_0000_0000 | UInt64(endpoint))
    }

    /// Six bytes in wire order.
    package var bytes: [UInt8] {
        (0..<6).map { UInt8(truncatingIfNeeded: value >> (40 - $0 * 8)) }
    }

    /// The group bit: no station has such an address.
    package var isMulticast: Bool { value >> 40 & 1 == 1 }
}

extension MACAddress: CustomStringConvertible {
    /// Six two-digit hexadecimal numbers with colons between them, either case.
    package init?(_ text: String) {
        var value: UInt64 = 0
        var position = 0
        for byte in text.utf8 {
            guard position < 17 else { return nil }
            if position % 3 == 2 {
                guard byte == ASCII.colon else { return nil }
            } else {
                guard let digit = ASCII.hexValue(byte) else { return nil }
                value = value << 4 | UInt64(digit)
            }
            position += 1
        }
        guard position == 17 else { return nil }
        self.init(value: value)
    }

    package var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(17)
        for (i, byte) in bytes.enumerated() {
            if i > 0 { text.append(ASCII.colon) }
            text.append(ASCII.hexDigit(byte >> 4))
            text.append(ASCII.hexDigit(byte & 15))
        }
        return String(decoding: text, as: UTF8.self)
    }
}

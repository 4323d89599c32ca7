// SPDX-License-Identifier: Apache-2.0

/// An IPv4 or IPv6 address: 128 bits, IPv4 kept as `::ffff:a.b.c.d` (RFC 4291, section 2.5.5.2).
///
/// The mapped form and the IPv4 address are the same value, whichever way it was made, so one key
/// shape serves both families. Order is that of the 16 bytes: IPv4 sorts between `::` and `::1:0:0:0`.
package struct IPAddress: Hashable, Sendable {
    /// The first eight bytes of the 16-byte form, as a number (host order).
    package let high: UInt64
    /// The last eight bytes of the 16-byte form, as a number (host order).
    package let low: UInt64

    package init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }

    /// `v4` is numeric: 10.0.0.1 is `0x0a000001`.
    package init(v4: UInt32) {
        self.init(high: 0, low: 0xffff_0000_0000 | UInt64(v4))
    }

    /// 4 or 16 bytes in network order; nil for any other count.
    package init?(bytes: some Collection<UInt8>) {
        var words: (UInt64, UInt64) = (0, 0)
        var count = 0
        for byte in bytes {
            count += 1
            guard count <= 16 else { return nil }
            words.0 = words.0 << 8 | words.1 >> 56
            words.1 = words.1 << 8 | UInt64(byte)
        }
        switch count {
        case 4: self.init(v4: UInt32(truncatingIfNeeded: words.1))
        case 16: self.init(high: words.0, low: words.1)
        default: return nil
        }
    }

    /// True for a dotted-quad address and its mapped form alike.
    package var isIPv4: Bool { high == 0 && low >> 32 == 0xffff }

    /// The numeric IPv4 address, nil for IPv6.
    package var v4: UInt32? { isIPv4 ? UInt32(truncatingIfNeeded: low) : nil }

    /// 32 or 128.
    package var bitWidth: Int { isIPv4 ? 32 : 128 }

    /// 4 or 16 bytes in network order.
    package var bytes: [UInt8] {
        let all = mappedBytes
        return isIPv4 ? Array(all[12...]) : all
    }

    /// Always 16 bytes in network order, IPv4 in its mapped form.
    package var mappedBytes: [UInt8] {
        (0..<16).map { UInt8(truncatingIfNeeded: ($0 < 8 ? high : low) >> (56 - ($0 & 7) * 8)) }
    }
}

extension IPAddress: Comparable {
    package static func < (a: IPAddress, b: IPAddress) -> Bool {
        a.high == b.high ? a.low < b.low : a.high < b.high
    }
}

extension IPAddress {
    package static let unspecifiedIPv4 = IPAddress(v4: 0)
    package static let unspecifiedIPv6 = IPAddress(high: 0, low: 0)

    /// The address `distance` further on, nil past the end of its own family.
    package func advanced(by distance: UInt64) -> IPAddress? {
        let (sum, carry) = low.addingReportingOverflow(distance)
        if isIPv4 {
            let next = IPAddress(high: high, low: sum)
            return !carry && next.isIPv4 ? next : nil
        }
        guard carry else { return IPAddress(high: high, low: sum).unlessIPv4 }
        let (top, overflow) = high.addingReportingOverflow(1)
        return overflow ? nil : IPAddress(high: top, low: sum).unlessIPv4
    }

    /// Counting up through IPv6 must not wander into the mapped range.
    private var unlessIPv4: IPAddress? { isIPv4 ? nil : self }

    /// 224.0.0.0/4 or ff00::/8.
    package var isMulticast: Bool {
        if let v4 { return v4 >> 28 == 0xe }
        return high >> 56 == 0xff
    }

    /// 169.254.0.0/16 or fe80::/10.
    package var isLinkLocal: Bool {
        if let v4 { return v4 >> 16 == 0xa9fe }
        return high >> 54 == 0x3fa
    }

    /// 127.0.0.0/8 or ::1.
    package var isLoopback: Bool {
        if let v4 { return v4 >> 24 == 127 }
        return high == 0 && low == 1
    }

    /// 0.0.0.0 or ::.
    package var isUnspecified: Bool {
        if let v4 { return v4 == 0 }
        return high == 0 && low == 0
    }
}

// SPDX-License-Identifier: Apache-2.0

extension IPAddress {
    /// Dotted quad (four decimal numbers without leading zeros) or RFC 4291, section 2.2 text; no zone,
    /// no prefix length, no white space. `::ffff:1.2.3.4` is the IPv4 address 1.2.3.4.
    package init?(_ text: some StringProtocol) {
        let text = String(text)
        guard let address = Self.parse(text.utf8.span) else { return nil }
        self = address
    }

    /// Text as in ``init(_:)``, given as its bytes.
    static func parse(_ text: Span<UInt8>) -> IPAddress? {
        // Longest: eight groups of four with colons, or six of them and a dotted quad.
        guard text.count >= 2, text.count <= 45 else { return nil }
        for i in 0..<min(5, text.count) where text[i] == ASCII.colon {
            return parseIPv6(text)
        }
        return parseIPv4(text, from: 0).map { IPAddress(v4: $0) }
    }

    /// The dotted quad that fills `text` from `start` to its end.
    private static func parseIPv4(_ text: Span<UInt8>, from start: Int) -> UInt32? {
        var result: UInt32 = 0
        var octet: UInt32 = 0
        var digits = 0
        var dots = 0
        for i in start..<text.count {
            let byte = text[i]
            if byte == ASCII.dot {
                guard digits > 0, dots < 3 else { return nil }
                result = result << 8 | octet
                (octet, digits) = (0, 0)
                dots += 1
            } else {
                guard byte >= ASCII.zero, byte <= ASCII.nine, digits == 0 || octet != 0 else { return nil }
                octet = octet * 10 + UInt32(byte - ASCII.zero)
                digits += 1
                guard octet <= 255 else { return nil }
            }
        }
        guard digits > 0, dots == 3 else { return nil }
        return result << 8 | octet
    }

    private static func parseIPv6(_ text: Span<UInt8>) -> IPAddress? {
        var groups = GroupBuffer()
        var i = 0
        if text[0] == ASCII.colon {
            guard text[1] == ASCII.colon else { return nil }
            groups.markGap()
            i = 2
        }
        while i < text.count {
            let start = i
            var value: UInt64 = 0
            while i < text.count, let digit = ASCII.hexValue(text[i]) {
                guard i - start < 4 else { return nil }
                value = value << 4 | UInt64(digit)
                i += 1
            }
            if i < text.count, text[i] == ASCII.dot {
                guard let quad = parseIPv4(text, from: start), groups.append(UInt64(quad >> 16)),
                    groups.append(UInt64(quad & 0xffff))
                else { return nil }
                break
            }
            guard i > start, groups.append(value) else { return nil }
            if i == text.count { break }
            guard text[i] == ASCII.colon else { return nil }
            i += 1
            guard i < text.count else { return nil }  // a single colon at the end
            if text[i] == ASCII.colon {
                guard groups.markGap() else { return nil }
                i += 1
            }
        }
        return groups.address
    }
}

/// Collects 16-bit groups and remembers where the `::` stood.
private struct GroupBuffer {
    private var high: UInt64 = 0
    private var low: UInt64 = 0
    private var count = 0
    private var gap: Int?

    /// False when there are eight already.
    mutating func append(_ group: UInt64) -> Bool {
        guard count < 8 else { return false }
        high = high << 16 | low >> 48
        low = low << 16 | group
        count += 1
        return true
    }

    /// False when there was a gap before.
    @discardableResult
    mutating func markGap() -> Bool {
        guard gap == nil else { return false }
        gap = count
        return true
    }

    /// nil unless there are eight groups, or fewer and a gap that stands for at least one.
    var address: IPAddress? {
        guard let gap else { return count == 8 ? IPAddress(high: high, low: low) : nil }
        guard count < 8 else { return nil }
        let tail = UInt128(high) << 64 | UInt128(low)
        let tailBits = UInt128(16 * (count - gap))
        let back = tailBits == 0 ? 0 : tail & (UInt128.max >> (128 - tailBits))
        let front = gap == 0 ? 0 : (tail >> tailBits) << UInt128(128 - 16 * gap)
        let all = front | back
        return IPAddress(high: UInt64(truncatingIfNeeded: all >> 64), low: UInt64(truncatingIfNeeded: all))
    }
}

extension IPAddress: CustomStringConvertible {
    /// Dotted quad, or RFC 5952: lower case, no leading zeros, the longest run of two or more zero groups
    /// (the first of equal ones) as `::`.
    package var description: String {
        var text: [UInt8] = []
        text.reserveCapacity(39)
        appendText(to: &text)
        return String(decoding: text, as: UTF8.self)
    }

    func appendText(to text: inout [UInt8]) {
        if let v4 {
            for shift in stride(from: UInt32(24), through: 0, by: -8) {
                ASCII.append(decimal: Int(v4 >> shift & 0xff), to: &text)
                if shift > 0 { text.append(ASCII.dot) }
            }
            return
        }
        let run = longestZeroRun
        var i = 0
        while i < 8 {
            if i == run.lowerBound, !run.isEmpty {
                text.append(ASCII.colon)
                text.append(ASCII.colon)
                i = run.upperBound
                continue
            }
            if i > 0, i != run.upperBound || run.isEmpty { text.append(ASCII.colon) }
            ASCII.append(hex: group(i), to: &text)
            i += 1
        }
    }

    private func group(_ i: Int) -> UInt16 {
        UInt16(truncatingIfNeeded: (i < 4 ? high : low) >> (48 - (i & 3) * 16))
    }

    /// Empty when no run has two groups.
    private var longestZeroRun: Range<Int> {
        var best = 0..<0
        var start = 0
        for i in 0...8 where i == 8 || group(i) != 0 {
            if i - start > max(best.count, 1) { best = start..<i }
            start = i + 1
        }
        return best
    }
}

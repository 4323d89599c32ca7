// SPDX-License-Identifier: Apache-2.0

/// What parsing and printing of addresses needs of ASCII.
enum ASCII {
    static let zero = UInt8(ascii: "0")
    static let nine = UInt8(ascii: "9")
    static let dot = UInt8(ascii: ".")
    static let colon = UInt8(ascii: ":")
    static let slash = UInt8(ascii: "/")

    static func hexValue(_ byte: UInt8) -> UInt8? {
        switch byte {
        case zero...nine: byte - zero
        case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
        case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
        default: nil
        }
    }

    static func hexDigit(_ value: UInt8) -> UInt8 {
        value < 10 ? zero + value : UInt8(ascii: "a") + value - 10
    }

    /// Without leading zeros.
    static func append(hex value: UInt16, to text: inout [UInt8]) {
        var shift = 12
        while shift > 0, value >> shift == 0 { shift -= 4 }
        while shift >= 0 {
            text.append(hexDigit(UInt8(truncatingIfNeeded: value >> shift) & 15))
            shift -= 4
        }
    }

    /// `value` is in 0...999.
    static func append(decimal value: Int, to text: inout [UInt8]) {
        if value >= 100 { text.append(zero + UInt8(value / 100)) }
        if value >= 10 { text.append(zero + UInt8(value / 10 % 10)) }
        text.append(zero + UInt8(value % 10))
    }
}

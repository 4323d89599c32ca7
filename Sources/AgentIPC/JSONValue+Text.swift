// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// The document on one line, without white space: keys in order, slashes as they are, so that equal values are equal
    /// text. Numbers that JSON doesn't have are null.
    package var bytes: [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(512)
        write(to: &result)
        return result
    }

    /// ``bytes`` as a string.
    package var text: String { String(decoding: bytes, as: UTF8.self) }

    private func write(to output: inout [UInt8]) {
        switch self {
        case .null: output += "null".utf8
        case .bool(let value): output += (value ? "true" : "false").utf8
        case .integer(let value): output += String(value).utf8
        case .number(let value): Self.write(value, to: &output)
        case .string(let value): Self.write(value, to: &output)
        case .array(let values):
            output.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                value.write(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let object):
            output.append(UInt8(ascii: "{"))
            for (index, member) in object.members.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                Self.write(member.key, to: &output)
                output.append(UInt8(ascii: ":"))
                member.value.write(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }

    private static func write(_ number: Double, to output: inout [UInt8]) {
        guard number.isFinite else {
            output += "null".utf8
            return
        }
        let text = number.description
        output += text.hasSuffix(".0") ? text.utf8.dropLast(2) : text.utf8[...]
    }

    private static func write(_ string: String, to output: inout [UInt8]) {
        output.append(UInt8(ascii: "\""))
        for byte in string.utf8 {
            switch byte {
            case UInt8(ascii: "\""): output += #"\""#.utf8
            case UInt8(ascii: "\\"): output += #"\\"#.utf8
            case 0x08: output += #"\b"#.utf8
            case UInt8(ascii: "\t"): output += #"\t"#.utf8
            case UInt8(ascii: "\n"): output += #"\n"#.utf8
            case 0x0c: output += #"\f"#.utf8
            case UInt8(ascii: "\r"): output += #"\r"#.utf8
            case 0..<0x10: output += (#"\u000"# + String(byte, radix: 16)).utf8
            case 0x10..<0x20: output += (#"\u00"# + String(byte, radix: 16)).utf8
            default: output.append(byte)
            }
        }
        output.append(UInt8(ascii: "\""))
    }
}

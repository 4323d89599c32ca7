// SPDX-License-Identifier: Apache-2.0

extension JSONValue {
    /// Reads a whole document (RFC 8259). Refused are trailing bytes, invalid UTF-8, a byte order mark, surrogates
    /// without their pair, numbers beyond Double, and more than ``JSONParser/depthLimit`` levels. A key that an object
    /// has twice has its last value.
    package init(parsing bytes: [UInt8]) throws(JSONError) {
        var parser = JSONParser(bytes)
        self = try parser.document()
    }
}

/// A recursive descent over the bytes of one document.
struct JSONParser {
    /// Arrays and objects within each other.
    static let depthLimit = 512

    private let bytes: [UInt8]
    private var position = 0

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
    }

    /// The value that all of the bytes are.
    mutating func document() throws(JSONError) -> JSONValue {
        let result = try value(depth: 0)
        skipSpace()
        guard position == bytes.count else { throw unexpected() }
        return result
    }

    /// nil: the end.
    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    private func failure(_ detail: String) -> JSONError {
        JSONError("no JSON: \(detail) at byte \(position)")
    }

    private func unexpected() -> JSONError {
        guard let next else { return failure("it ends too early") }
        let isVisible = (UInt8(ascii: "!")...UInt8(ascii: "~")).contains(next)
        return failure(isVisible ? "unexpected \(Character(Unicode.Scalar(next)))" : "unexpected byte \(next)")
    }

    private mutating func skipSpace() {
        while let next, [0x20, 0x0a, 0x0d, 0x09].contains(next) { position += 1 }
    }

    /// Steps over `byte`, if it comes next.
    private mutating func skip(_ byte: UInt8) -> Bool {
        guard next == byte else { return false }
        position += 1
        return true
    }

    private mutating func expect(_ byte: UInt8) throws(JSONError) {
        guard skip(byte) else { throw unexpected() }
    }

    private mutating func value(depth: Int) throws(JSONError) -> JSONValue {
        skipSpace()
        guard let next else { throw unexpected() }
        switch next {
        case UInt8(ascii: "{"): return .object(try object(depth: try deeper(depth)))
        case UInt8(ascii: "["): return .array(try array(depth: try deeper(depth)))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try literal("true", .bool(true))
        case UInt8(ascii: "f"): return try literal("false", .bool(false))
        case UInt8(ascii: "n"): return try literal("null", .null)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
        default: throw unexpected()
        }
    }

    private func deeper(_ depth: Int) throws(JSONError) -> Int {
        guard depth < Self.depthLimit else { throw failure("more than \(Self.depthLimit) levels") }
        return depth + 1
    }

    private mutating func literal(_ text: String, _ value: JSONValue) throws(JSONError) -> JSONValue {
        for byte in text.utf8 { try expect(byte) }
        return value
    }

    private mutating func array(depth: Int) throws(JSONError) -> [JSONValue] {
        var values: [JSONValue] = []
        position += 1
        skipSpace()
        if skip(UInt8(ascii: "]")) { return values }
        while true {
            values.append(try value(depth: depth))
            skipSpace()
            if skip(UInt8(ascii: "]")) { return values }
            try expect(UInt8(ascii: ","))
        }
    }

    private mutating func object(depth: Int) throws(JSONError) -> JSONObject {
        var members: [JSONObject.Member] = []
        position += 1
        skipSpace()
        if skip(UInt8(ascii: "}")) { return JSONObject(members) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\"") else { throw unexpected() }
            let key = try string()
            skipSpace()
            try expect(UInt8(ascii: ":"))
            members.append(JSONObject.Member(key: key, value: try value(depth: depth)))
            skipSpace()
            if skip(UInt8(ascii: "}")) { return JSONObject(members) }
            try expect(UInt8(ascii: ","))
        }
    }
}

// MARK: - Numbers

extension JSONParser {
    private mutating func number() throws(JSONError) -> JSONValue {
        let start = position
        let isNegative = skip(UInt8(ascii: "-"))
        var integer: Int64? = 0
        if !skip(UInt8(ascii: "0")) {
            try digits { digit in
                integer = integer.flatMap { Self.append(digit, to: $0, isNegative: isNegative) }
            }
        }
        if skip(UInt8(ascii: ".")) {
            integer = nil
            try digits { _ in }
        }
        if skip(UInt8(ascii: "e")) || skip(UInt8(ascii: "E")) {
            integer = nil
            if !skip(UInt8(ascii: "+")) { _ = skip(UInt8(ascii: "-")) }
            try digits { _ in }
        }
        if let integer { return .integer(integer) }
        guard let number = Double(String(decoding: bytes[start..<position], as: UTF8.self)), number.isFinite else {
            position = start
            throw failure("a number out of range")
        }
        return .number(number)
    }

    /// One digit or more.
    private mutating func digits(_ body: (Int64) -> Void) throws(JSONError) {
        let start = position
        while let next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(next) {
            body(Int64(next - UInt8(ascii: "0")))
            position += 1
        }
        guard position > start else { throw unexpected() }
    }

    /// nil when that doesn't fit.
    private static func append(_ digit: Int64, to number: Int64, isNegative: Bool) -> Int64? {
        let (product, overflow) = number.multipliedReportingOverflow(by: 10)
        let sum = isNegative ? product.subtractingReportingOverflow(digit) : product.addingReportingOverflow(digit)
        return overflow || sum.overflow ? nil : sum.partialValue
    }
}

// MARK: - Strings

extension JSONParser {
    /// From its opening to its closing quotation mark.
    private mutating func string() throws(JSONError) -> String {
        position += 1
        var start = position
        var text: [UInt8] = []
        while let byte = next, byte >= 0x20 {
            switch byte {
            case UInt8(ascii: "\""):
                let part = bytes[start..<position]
                // Most strings have no escapes, and need no copy.
                let string =
                    text.isEmpty
                    ? String(validating: part, as: UTF8.self) : String(validating: text + part, as: UTF8.self)
                guard let string else { throw failure("invalid UTF-8 in the string that ends") }
                position += 1
                return string
            case UInt8(ascii: "\\"):
                text += bytes[start..<position]
                try escape(to: &text)
                start = position
            default:
                position += 1
            }
        }
        throw unexpected()
    }

    /// A backslash and what belongs to it.
    private mutating func escape(to text: inout [UInt8]) throws(JSONError) {
        position += 1
        switch next {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(bytes[position])
        case UInt8(ascii: "b"): text.append(0x08)
        case UInt8(ascii: "f"): text.append(0x0c)
        case UInt8(ascii: "n"): text.append(0x0a)
        case UInt8(ascii: "r"): text.append(0x0d)
        case UInt8(ascii: "t"): text.append(0x09)
        case UInt8(ascii: "u"):
            position += 1
            text += String(Character(try escapedScalar())).utf8
            return
        default: throw unexpected()
        }
        position += 1
    }

    /// Four hexadecimal digits, or a pair of surrogates.
    private mutating func escapedScalar() throws(JSONError) -> Unicode.Scalar {
        let start = position
        var number = try hexadecimal()
        if (0xd800..<0xdc00).contains(number), skip(UInt8(ascii: "\\")), skip(UInt8(ascii: "u")) {
            let low = try hexadecimal()
            if (0xdc00..<0xe000).contains(low) { number = 0x1_0000 + (number - 0xd800) << 10 + (low - 0xdc00) }
        }
        guard let scalar = Unicode.Scalar(number) else {
            position = start
            throw failure("half a surrogate pair")
        }
        return scalar
    }

    private mutating func hexadecimal() throws(JSONError) -> UInt32 {
        var number: UInt32 = 0
        for _ in 0..<4 {
            let digit: UInt8
            switch next {
            case let byte? where (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte): digit = byte - 0x30
            case let byte? where (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte): digit = byte - 0x61 + 10
            case let byte? where (UInt8(ascii: "A")...UInt8(ascii: "F")).contains(byte): digit = byte - 0x41 + 10
            default: throw unexpected()
            }
            number = number << 4 | UInt32(digit)
            position += 1
        }
        return number
    }
}

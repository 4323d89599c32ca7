// SPDX-License-Identifier: Apache-2.0
import Foundation
import Testing

@testable import AgentIPC

/// The same documents as Foundation reads and writes them.
@Suite struct JSONComparisonTests {
    @Test(arguments: UInt64(0)..<20)
    func `reads and writes as Foundation does`(seed: UInt64) throws {
        var generator = DocumentGenerator(state: seed)
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        for _ in 0..<100 {
            let value = generator.value()
            let text = value.text
            #expect(try String(decoding: encoder.encode(Coded(value: value)), as: UTF8.self) == text)
            let read = try JSONValue(parsing: value.bytes)
            #expect(read.text == text)
            #expect(try foundation(value.bytes) == comparable(read))
            let pretty = try JSONSerialization.data(
                withJSONObject: try JSONSerialization.jsonObject(with: Data(value.bytes), options: .fragmentsAllowed),
                options: [.prettyPrinted, .fragmentsAllowed])
            #expect(try comparable(JSONValue(parsing: Array(pretty))) == comparable(read))
        }
    }

    @Test(arguments: UInt64(0)..<20)
    func `takes no broken document that Foundation refuses`(seed: UInt64) throws {
        var generator = DocumentGenerator(state: ~seed)
        var taken = 0
        var refused = 0
        for _ in 0..<500 {
            let bytes = generator.broken(generator.value().bytes)
            let text = String(decoding: bytes, as: UTF8.self)
            let theirs = try? JSONSerialization.jsonObject(with: Data(bytes), options: .fragmentsAllowed)
            if let value = try? JSONValue(parsing: bytes) {
                #expect(theirs != nil, "only Foundation refuses \(text)")
                #expect(try foundation(bytes) == comparable(value), "\(text)")
                taken += 1
            } else {
                // Foundation takes a comma before a closing bracket.
                let lenient = text.firstMatch(of: /,[ \n\r\t]*[\]}]/) != nil
                #expect(theirs == nil || lenient, "only Foundation takes \(text)")
                refused += 1
            }
        }
        #expect(taken > 20)
        #expect(refused > 200)
    }

    private func foundation(_ bytes: [UInt8]) throws -> JSONValue {
        try comparable(JSONDecoder().decode(Coded.self, from: Data(bytes)).value)
    }

    /// With integers for all whole numbers that are exact as Double, since Foundation reads "1e2" as one, and Double for
    /// all others.
    private func comparable(_ value: JSONValue) -> JSONValue {
        switch value {
        case .number(let number) where number.magnitude < 0x1p53: Int64(exactly: number).map { .integer($0) } ?? value
        case .integer(let number) where number.magnitude >= 1 << 53: .number(Double(number))
        case .array(let values): .array(values.map(comparable))
        case .object(let object):
            .object(JSONObject(object.members.map { .init(key: $0.key, value: comparable($0.value)) }))
        default: value
        }
    }
}

/// Any JSON by way of Codable.
private struct Coded: Codable {
    let value: JSONValue

    init(value: JSONValue) { self.value = value }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            value = .null
        } else if let bool = try? container.decode(Bool.self) {
            value = .bool(bool)
        } else if let integer = try? container.decode(Int64.self) {
            value = .integer(integer)
        } else if let number = try? container.decode(Double.self) {
            value = .number(number)
        } else if let string = try? container.decode(String.self) {
            value = .string(string)
        } else if let values = try? container.decode([Coded].self) {
            value = .array(values.map(\.value))
        } else {
            let object = try container.decode([String: Coded].self)
            value = .object(JSONObject(object.map { JSONObject.Member(key: $0, value: $1.value) }))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch value {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .array(let values): try container.encode(values.map(Coded.init))
        case .object(let object):
            try container.encode(
                Dictionary(uniqueKeysWithValues: object.members.map { ($0.key, Coded(value: $0.value)) }))
        }
    }
}

/// Documents, the same in every run.
private struct DocumentGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var mixed = (state ^ state >> 30) &* 0xbf58_476d_1ce4_e5b9
        mixed = (mixed ^ mixed >> 27) &* 0x94d0_49bb_1331_11eb
        return mixed ^ mixed >> 31
    }

    mutating func value(depth: Int = 0) -> JSONValue {
        switch Int.random(in: 0..<(depth < 4 ? 9 : 6), using: &self) {
        case 0: .null
        case 1: .bool(Bool.random(using: &self))
        case 2: .integer(Int64(truncatingIfNeeded: next()) >> Int64.random(in: 0..<64, using: &self))
        case 3: .number(number())
        case 4, 5: .string(string())
        case 6: .array((0..<Int.random(in: 0..<5, using: &self)).map { _ in value(depth: depth + 1) })
        default: .object(object(depth: depth))
        }
    }

    /// Keys begin with letters that are nowhere else: Foundation's decoder takes the first of two with the same key.
    private mutating func object(depth: Int) -> JSONObject {
        let letters = "GHIJKL".prefix(Int.random(in: 0..<6, using: &self)).shuffled(using: &self)
        return JSONObject(letters.map { .init(key: "\($0)" + string(), value: value(depth: depth + 1)) })
    }

    private mutating func number() -> Double {
        let number = Double(bitPattern: next())
        // Foundation does not read all subnormal ones.
        return number.isNormal ? number : Double.random(in: -10...10, using: &self)
    }

    private mutating func string() -> String {
        let scalars: [Unicode.Scalar] = [
            "a", "B", "0", " ", "/", "\\", "\"", "\n", "\u{0}", "\u{1f}", "\u{7f}", "é", "\u{301}", "\u{2028}",
            "\u{fffd}", "😀", "\u{10ffff}",
        ]
        var string = ""
        for _ in 0..<Int.random(in: 0..<8, using: &self) {
            string.unicodeScalars.append(scalars.randomElement(using: &self) ?? "x")
        }
        return string
    }

    /// With one or two bytes taken away, replaced or put in between.
    mutating func broken(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        let others = Array(#"[]{}",:\\/0123456789-+.eEtfnud "#.utf8) + [0x0a, 0x00, 0x1f, 0x80, 0xc3, 0xff]
        for _ in 0..<Int.random(in: 1...2, using: &self) {
            guard let place = bytes.indices.randomElement(using: &self) else { break }
            let byte = others.randomElement(using: &self) ?? 0
            switch Int.random(in: 0..<4, using: &self) {
            case 0: bytes.remove(at: place)
            case 1: bytes[place] = byte
            case 2: bytes.insert(byte, at: place)
            default: bytes.removeSubrange(place...)
            }
        }
        return bytes
    }
}

// SPDX-License-Identifier: Apache-2.0
import ObjectDecoding

/// JSON as it is being written.
struct JSONText {
    private(set) var bytes: [UInt8] = []

    init() {}

    /// Of a value that was read from JSON.
    init(_ node: FieldNode) {
        write(node)
    }

    /// `{"NAME":VALUE,…}`, in this order.
    mutating func object(_ members: KeyValuePairs<String, (inout JSONText) -> Void>) {
        list(members, "{", "}") { text, member in
            text.string(member.key)
            text.raw(":")
            member.value(&text)
        }
    }

    mutating func array<Element>(_ elements: some Sequence<Element>, _ write: (inout JSONText, Element) -> Void) {
        list(elements, "[", "]", write)
    }

    mutating func map(_ pairs: some Sequence<(key: String, value: String)>) {
        list(pairs, "{", "}") { text, pair in
            text.string(pair.key)
            text.raw(":")
            text.string(pair.value)
        }
    }

    mutating func number(_ value: some BinaryInteger) {
        raw("\(value)")
    }

    mutating func bool(_ value: Bool) {
        raw(value ? "true" : "false")
    }

    /// Of text without quotes around it.
    mutating func string(_ text: String) {
        bytes.append(UInt8(ascii: "\""))
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): bytes += [UInt8(ascii: "\\"), byte]
            case 0..<0x20:
                let digits = String(byte, radix: 16)
                raw(digits.utf8.count == 1 ? "\\u000\(digits)" : "\\u00\(digits)")
            default: bytes.append(byte)
            }
        }
        bytes.append(UInt8(ascii: "\""))
    }

    /// JSON already.
    mutating func raw(_ json: [UInt8]) {
        bytes += json
    }

    mutating func endLine() {
        bytes.append(UInt8(ascii: "\n"))
    }

    private mutating func raw(_ text: String) {
        bytes.append(contentsOf: text.utf8)
    }

    private mutating func list<Element>(
        _ elements: some Sequence<Element>, _ open: String, _ close: String,
        _ write: (inout JSONText, Element) -> Void
    ) {
        raw(open)
        var isFirst = true
        for element in elements {
            if !isFirst { raw(",") }
            isFirst = false
            write(&self, element)
        }
        raw(close)
    }

    private mutating func write(_ node: FieldNode) {
        switch node.value {
        case .null, .other, .unreadable: raw("null")
        case .bool(let value): bool(value)
        case .integer(let value): number(value)
        case .oddInteger(let text), .string(let text): string(text)
        case .number(let value): raw(value.isFinite ? "\(value)" : "null")
        case .list(let list): array(list) { $0.write($1) }
        case .map(let map):
            self.list(map.entries, "{", "}") { text, entry in
                text.string(entry.key)
                text.raw(":")
                text.write(entry.value)
            }
        }
    }
}

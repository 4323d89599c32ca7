// SPDX-License-Identifier: Apache-2.0

extension UInt8 {
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let braceOpen = UInt8(ascii: "{")
    static let braceClose = UInt8(ascii: "}")
    static let bracketOpen = UInt8(ascii: "[")
    static let bracketClose = UInt8(ascii: "]")
    static let comma = UInt8(ascii: ",")
    static let colon = UInt8(ascii: ":")

    /// What JSON allows between tokens.
    var isSpace: Bool { self == 0x20 || self == 0x0a || self == 0x0d || self == 0x09 }
}

/// Where the value of a member of the root object lies, without decoding anything. nil: there is none, or `json` is no
/// object; whether the value is JSON is for its decoder to say.
func memberRange(_ name: String, in json: [UInt8]) -> Range<Int>? {
    let wanted = Array(name.utf8)
    var depth = 0
    var index = 0
    var key: Range<Int>?
    var valueStart: Int?
    while index < json.count {
        let byte = json[index]
        switch byte {
        case .quote:
            let start = index + 1
            index = endOfString(json, from: start)
            if depth == 1, valueStart == nil, key == nil { key = start..<min(index, json.count) }
        case .colon:
            if depth == 1, let range = key, valueStart == nil {
                if json[range].elementsEqual(wanted) { valueStart = index + 1 }
                key = nil
                // Strings that follow are values, until the comma.
                if valueStart == nil { key = 0..<0 }
            }
        case .braceOpen, .bracketOpen: depth += 1
        case .comma where depth == 1:
            if let valueStart { return trimmed(valueStart..<index, in: json) }
            key = nil
        case .braceClose, .bracketClose:
            if depth == 1, let valueStart { return trimmed(valueStart..<index, in: json) }
            depth -= 1
        default: break
        }
        index += 1
    }
    return nil
}

/// The index of the closing quote; the count when there is none.
private func endOfString(_ json: [UInt8], from start: Int) -> Int {
    var index = start
    while index < json.count, json[index] != .quote {
        index += json[index] == .backslash ? 2 : 1
    }
    return index
}

private func trimmed(_ range: Range<Int>, in json: [UInt8]) -> Range<Int>? {
    var range = range
    while let first = range.first, json[first].isSpace { range.removeFirst() }
    while let last = range.last, json[last].isSpace { range.removeLast() }
    return range.isEmpty ? nil : range
}

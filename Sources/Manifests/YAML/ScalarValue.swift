// SPDX-License-Identifier: Apache-2.0
import Yams

/// What a YAML scalar is to Kubernetes, which reads YAML 1.1: an unquoted `yes` is a boolean, `0777` a number.
enum ScalarValue: Hashable {
    case null
    case boolean(Bool)
    /// Only numbers written the plain way ("80", "-1") have a value; others ("0x50", "1_000") are integers to some
    /// readers of YAML and not to others, and have none here.
    case integer(Int?)
    case float
    case string(String)
    /// With a tag that no field here takes.
    case other(tag: String)

    init(_ scalar: Node.Scalar) {
        switch scalar.tag.description {
        case "" where scalar.style == .plain || scalar.style == .any: self = Self.plain(scalar.string)
        case "", "!", Tag.Name.str.rawValue: self = .string(scalar.string)
        case Tag.Name.int.rawValue: self = .integer(Self.plainInteger(scalar.string))
        case Tag.Name.bool.rawValue, Tag.Name.null.rawValue, Tag.Name.float.rawValue: self = Self.plain(scalar.string)
        case let tag: self = .other(tag: tag)
        }
    }

    /// A scalar without quotes and tag.
    static func plain(_ text: String) -> ScalarValue {
        switch text {
        case "", "~", "null", "Null", "NULL": return .null
        case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", "y", "Y": return .boolean(true)
        case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", "n", "N": return .boolean(false)
        default: break
        }
        if let value = plainInteger(text) { return .integer(value) }
        guard let first = text.utf8.first, "0123456789+-.".utf8.contains(first) else { return .string(text) }
        if isOddInteger(text) { return .integer(nil) }
        return isFloat(text) ? .float : .string(text)
    }

    /// Decimal without leading zeros, underscores or plus sign.
    private static func plainInteger(_ text: String) -> Int? {
        guard let value = Int(text), String(value) == text else { return nil }
        return value
    }

    /// Hexadecimal, octal and binary numbers, and numbers with underscores, plus sign or leading zeros.
    private static func isOddInteger(_ text: String) -> Bool {
        var digits = text.filter { $0 != "_" }[...]
        if digits.first == "+" || digits.first == "-" { digits = digits.dropFirst() }
        for (prefix, radix) in [("0x", 16), ("0X", 16), ("0o", 8), ("0b", 2)] where digits.hasPrefix(prefix) {
            let rest = digits.dropFirst(2)
            return !rest.isEmpty && rest.allSatisfy { $0.isASCII && ($0.hexDigitValue ?? 16) < radix }
        }
        return !digits.isEmpty && digits.allSatisfy { $0.isASCII && $0.isWholeNumber }
    }

    private static func isFloat(_ text: String) -> Bool {
        let lower = text.lowercased()
        if ["+.inf", "-.inf", ".inf", ".nan"].contains(lower) { return true }
        // What Swift reads as a number beyond what YAML does: words and hexadecimal.
        guard text.utf8.allSatisfy({ "0123456789+-.eE_".utf8.contains($0) }) else { return false }
        return Double(text.filter { $0 != "_" }) != nil
    }
}

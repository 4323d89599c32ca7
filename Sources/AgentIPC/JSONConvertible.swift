// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// What is wrong with a document.
package struct JSONError: Error, Hashable, Sendable, CustomStringConvertible {
    /// Of the field, as "ips[0].address"; empty: the document itself.
    package let path: String
    package let detail: String

    package init(_ detail: String, path: String = "") {
        self.path = path
        self.detail = detail
    }

    /// Naming the field: "ipv4: \"10.0.0.256\" is not an IP address".
    package var description: String { path.isEmpty ? detail : "\(path): \(detail)" }

    /// The error of a whole of which this one's document is the member `key`.
    func inside(_ key: String) -> JSONError {
        let separator = path.isEmpty || path.hasPrefix("[") ? "" : "."
        return JSONError(detail, path: key + separator + path)
    }

    /// `value` is not what it should be.
    static func wrong(_ value: JSONValue, _ type: StaticString) -> JSONError {
        JSONError(value == .null ? "null instead of \(type)" : "not of the type \(type)")
    }
}

/// A type that is read from JSON and written as JSON without Codable, to the same text.
package protocol JSONConvertible {
    init(json: JSONValue) throws(JSONError)
    var json: JSONValue { get }
}

extension JSONValue {
    /// The members, where an object is needed.
    package var object: JSONObject {
        get throws(JSONError) {
            guard case .object(let object) = self else { throw .wrong(self, "object") }
            return object
        }
    }
}

extension JSONObject {
    /// A member that has to be there.
    package func required<Value: JSONConvertible>(
        _ key: String, as type: Value.Type = Value.self
    ) throws(JSONError) -> Value {
        guard let value = self[key] else { throw JSONError("\"\(key)\" is missing") }
        return try Self.read(value, key)
    }

    /// A member that may be missing or null.
    package func optional<Value: JSONConvertible>(
        _ key: String, as type: Value.Type = Value.self
    ) throws(JSONError) -> Value? {
        guard let value = self[key], value != .null else { return nil }
        return try Self.read(value, key) as Value
    }

    private static func read<Value: JSONConvertible>(_ value: JSONValue, _ key: String) throws(JSONError) -> Value {
        do throws(JSONError) { return try Value(json: value) } catch { throw error.inside(key) }
    }
}

// MARK: - Basic types

extension JSONValue: JSONConvertible {
    package init(json: JSONValue) { self = json }
    package var json: JSONValue { self }
}

extension String: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        guard case .string(let value) = json else { throw .wrong(json, "String") }
        self = value
    }

    package var json: JSONValue { .string(self) }
}

extension Bool: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        guard case .bool(let value) = json else { throw .wrong(json, "Bool") }
        self = value
    }

    package var json: JSONValue { .bool(self) }
}

extension FixedWidthInteger {
    /// 1.0 and 1e2 are whole numbers, too.
    fileprivate init(json: JSONValue, _ name: StaticString) throws(JSONError) {
        let value: Self?
        switch json {
        case .integer(let number): value = Self(exactly: number)
        case .number(let number): value = Self(exactly: number)
        default: throw .wrong(json, name)
        }
        guard let value else { throw JSONError("\(json.text) is not of the type \(name)") }
        self = value
    }
}

extension UInt16: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) { try self.init(json: json, "UInt16") }
    package var json: JSONValue { .integer(Int64(self)) }
}

extension UInt32: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) { try self.init(json: json, "UInt32") }
    package var json: JSONValue { .integer(Int64(self)) }
}

extension Int64: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) { try self.init(json: json, "Int64") }
    package var json: JSONValue { .integer(self) }
}

extension Int: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) { try self.init(json: json, "Int") }
    package var json: JSONValue { .integer(Int64(self)) }
}

extension IPAddress: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let text = try String(json: json)
        guard let address = IPAddress(text) else { throw JSONError("\"\(text)\" is not an IP address") }
        self = address
    }

    package var json: JSONValue { .string(description) }
}

extension MACAddress: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let text = try String(json: json)
        guard let address = MACAddress(text) else { throw JSONError("\"\(text)\" is not a MAC address") }
        self = address
    }

    package var json: JSONValue { .string(description) }
}

// MARK: - Collections

extension Array: JSONConvertible where Element: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        guard case .array(let values) = json else { throw .wrong(json, "array") }
        self = []
        reserveCapacity(values.count)
        for (index, value) in values.enumerated() {
            do throws(JSONError) { append(try Element(json: value)) } catch { throw error.inside("[\(index)]") }
        }
    }

    package var json: JSONValue { .array(map(\.json)) }
}

extension [String: String]: JSONConvertible {
    package init(json: JSONValue) throws(JSONError) {
        let object = try json.object
        self = Dictionary(minimumCapacity: object.members.count)
        for member in object.members {
            self[member.key] = try object.required(member.key)
        }
    }

    package var json: JSONValue {
        .object(JSONObject(map { JSONObject.Member(key: $0.key, value: .string($0.value)) }))
    }
}

// SPDX-License-Identifier: Apache-2.0
import Yams

/// Any JSON, as it is sent to the API server.
package indirect enum JSONTree: Hashable, Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string(String)
    case list([JSONTree])
    case map([String: JSONTree])

    /// Null for a field that isn't there, and in what is no map.
    package subscript(key: String) -> JSONTree {
        get {
            if case .map(let fields) = self { fields[key] ?? .null } else { .null }
        }
        set {
            var fields: [String: JSONTree] = [:]
            if case .map(let old) = self { fields = old }
            fields[key] = newValue
            self = .map(fields)
        }
    }

    package var text: String? {
        if case .string(let text) = self { text } else { nil }
    }
}

extension JSONTree: Encodable {
    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(stringValue: String) {
            self.stringValue = stringValue
        }

        init?(intValue: Int) { nil }
    }

    package func encode(to encoder: any Encoder) throws {
        if case .map(let fields) = self {
            var container = encoder.container(keyedBy: Key.self)
            for (key, value) in fields { try container.encode(value, forKey: Key(stringValue: key)) }
            return
        }
        var container = encoder.singleValueContainer()
        switch self {
        case .null: try container.encodeNil()
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .number(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        case .list(let values): try container.encode(values)
        case .map: break
        }
    }
}

extension JSONTree {
    /// The documents of a YAML text, with aliases written out. Throws Yams' errors, which name the line.
    static func documents(yaml: String) throws -> [JSONTree] {
        // The parser keeps pointing at the text's bytes, and those of a very short one move.
        var nodes = try compose_all(yaml: yaml + String(repeating: " ", count: 64))
        var documents: [JSONTree] = []
        while let node = nodes.next() { documents.append(JSONTree(node)) }
        if let error = nodes.error { throw error }
        return documents.filter { $0 != .null }
    }

    private init(_ node: Node) {
        switch node {
        case .mapping(let mapping):
            let fields = mapping.map { key, value in (key.string ?? "", JSONTree(value)) }
            self = .map(Dictionary(fields, uniquingKeysWith: { $1 }))
        case .sequence(let sequence): self = .list(sequence.map { JSONTree($0) })
        case .scalar(let scalar): self = JSONTree(scalar, node.any)
        case .alias: self = .null
        }
    }

    /// What is quoted is a string, whatever it looks like: the tag says so.
    private init(_ scalar: Node.Scalar, _ value: Any) {
        switch value {
        case let value as Bool: self = .bool(value)
        case let value as Int: self = .integer(value)
        case let value as Double: self = .number(value)
        case let value as String: self = .string(value)
        default:
            self =
                scalar.string.isEmpty || scalar.string == "~" || scalar.string == "null"
                ? .null : .string(scalar.string)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What is wrong with a document, and where: "spec.labels: is missing".
struct JSONFailure: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

func decodeJSON<Value: Decodable>(_ type: Value.Type, from json: some Sequence<UInt8>) throws(JSONFailure) -> Value {
    do {
        return try JSONDecoder().decode(type, from: Data(json))
    } catch let error as DecodingError {
        throw JSONFailure(fieldMessage(error))
    } catch {
        throw JSONFailure("\(error)")
    }
}

func encodeJSON(_ value: some Encodable) throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    return Array(try encoder.encode(value))
}

/// "spec.ports[2].name: is missing"
func fieldMessage(_ error: DecodingError) -> String {
    switch error {
    case .keyNotFound(let key, let context):
        "\(fieldPath(context.codingPath + [key])): is missing"
    case .valueNotFound(_, let context):
        "\(fieldPath(context.codingPath)): is null"
    case .typeMismatch(let type, let context):
        "\(fieldPath(context.codingPath)): is not \(typeName(type))"
    case .dataCorrupted(let context):
        if context.codingPath.isEmpty {
            "is broken: \(context.debugDescription)\(context.underlyingError.map { " (\($0))" } ?? "")"
        } else {
            "\(fieldPath(context.codingPath)): \(context.debugDescription)"
        }
    @unknown default:
        "\(error)"
    }
}

func fieldPath(_ keys: [any CodingKey]) -> String {
    guard !keys.isEmpty else { return "the document" }
    return keys.reduce(into: "") { path, key in
        if let index = key.intValue {
            path += "[\(index)]"
        } else {
            path += path.isEmpty ? key.stringValue : ".\(key.stringValue)"
        }
    }
}

private func typeName(_ type: any Any.Type) -> String {
    switch type {
    case is String.Type: "a string"
    case is Bool.Type: "true or false"
    case is any BinaryInteger.Type: "a whole number"
    case is any Collection.Type: "\(type)".hasPrefix("Dict") ? "an object" : "a list"
    default: "an object"
    }
}

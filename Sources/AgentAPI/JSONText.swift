// SPDX-License-Identifier: Apache-2.0
package import FoundationEssentials

/// JSON as the agent, the plugin and the command write and read it.
package enum JSONText {
    /// Keys in order, so that equal values are equal text; slashes as they are.
    package static func encode(_ value: some Encodable, pretty: Bool = false) throws -> Data {
        let encoder = JSONEncoder()
        encoder.outputFormatting =
            pretty
            ? [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted] : [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(value)
    }

    /// What is wrong with a document, naming the field: "ipv4: ... is not an IP address".
    package static func describe(_ error: any Error) -> String {
        guard let error = error as? DecodingError else { return "\(error)" }
        switch error {
        case .keyNotFound(let key, let context):
            return at(context.codingPath) + "\"\(key.stringValue)\" is missing"
        case .typeMismatch(let type, let context):
            return at(context.codingPath) + "not of the type \(type)"
        case .valueNotFound(let type, let context):
            return at(context.codingPath) + "null instead of \(type)"
        case .dataCorrupted(let context):
            return at(context.codingPath) + context.debugDescription
        @unknown default:
            return "\(error)"
        }
    }

    private static func at(_ path: [any CodingKey]) -> String {
        var text = ""
        for key in path {
            if let index = key.intValue {
                text += "[\(index)]"
            } else {
                text += (text.isEmpty ? "" : ".") + key.stringValue
            }
        }
        return text.isEmpty ? "" : text + ": "
    }
}

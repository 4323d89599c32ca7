// SPDX-License-Identifier: Apache-2.0

// In JSON and the like, addresses are the text that a person writes.

extension IPAddress: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeText(from: decoder, as: "an IP address") { IPAddress($0) }
    }

    package func encode(to encoder: any Encoder) throws {
        try encodeText(description, to: encoder)
    }
}

extension Prefix: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeText(from: decoder, as: "an address/length prefix") { Prefix($0) }
    }

    package func encode(to encoder: any Encoder) throws {
        try encodeText(description, to: encoder)
    }
}

extension MACAddress: Codable {
    package init(from decoder: any Decoder) throws {
        self = try decodeText(from: decoder, as: "a MAC address") { MACAddress($0) }
    }

    package func encode(to encoder: any Encoder) throws {
        try encodeText(description, to: encoder)
    }
}

private func decodeText<Value>(
    from decoder: any Decoder, as what: String, parse: (String) -> Value?
) throws -> Value {
    let container = try decoder.singleValueContainer()
    let text = try container.decode(String.self)
    guard let value = parse(text) else {
        throw DecodingError.dataCorruptedError(in: container, debugDescription: "\"\(text)\" is not \(what)")
    }
    return value
}

private func encodeText(_ text: String, to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
}

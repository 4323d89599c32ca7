// SPDX-License-Identifier: Apache-2.0

extension FieldNode: Decodable {
    /// Any value, from any decoder that knows what it reads (JSON's does). Places are unknown; fields are in the order
    /// of their names, so that errors come in the same order each time.
    package init(from decoder: any Decoder) throws {
        // The most frequent ones first: each miss costs the decoder an error.
        let single = try decoder.singleValueContainer()
        if let text = try? single.decode(String.self) {
            self.init(.string(text))
        } else if let container = try? decoder.container(keyedBy: Key.self) {
            let keys = container.allKeys.sorted { $0.stringValue < $1.stringValue }
            self.init(
                .map(
                    FieldEntries(
                        try keys.map {
                            FieldEntries.Entry(
                                key: $0.stringValue, value: try container.decode(FieldNode.self, forKey: $0))
                        })))
        } else if var container = try? decoder.unkeyedContainer() {
            var list: [FieldNode] = []
            while !container.isAtEnd { list.append(try container.decode(FieldNode.self)) }
            self.init(.list(list))
        } else if single.decodeNil() {
            self.init(.null)
        } else if let number = try? single.decode(Int.self) {
            self.init(.integer(number))
        } else if let flag = try? single.decode(Bool.self) {
            self.init(.bool(flag))
        } else {
            self.init(.number(try single.decode(Double.self)))
        }
    }

    private struct Key: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init?(stringValue: String) { self.stringValue = stringValue }

        init?(intValue: Int) { nil }
    }
}

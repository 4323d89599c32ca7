// SPDX-License-Identifier: Apache-2.0

/// A JSON document, or a part of one (RFC 8259).
///
/// The plugin is started for every pod and works on these: with Codable, the runtime would look up thousands of
/// conformances before the first byte is read.
package enum JSONValue: Hashable, Sendable {
    case null
    case bool(Bool)
    /// A number without fraction and exponent that fits.
    case integer(Int64)
    /// Any other number; finite where it was read.
    case number(Double)
    case string(String)
    case array([JSONValue])
    case object(JSONObject)

    /// For messages: the text, cut when it is long.
    package var excerpt: String {
        let text = text
        return text.count <= 200 ? text : text.prefix(200) + "..."
    }
}

/// Members of an object, ascending by the bytes of their keys; no key is there twice.
package struct JSONObject: Hashable, Sendable, ExpressibleByDictionaryLiteral {
    package struct Member: Hashable, Sendable {
        package let key: String
        package let value: JSONValue
    }

    package let members: [Member]

    /// Members in any order. Of several with the same key the last counts.
    init(_ members: [Member]) {
        let inOrder = members.indices.dropFirst().allSatisfy { Self.precedes(members[$0 - 1], members[$0]) }
        self.members = inOrder ? members : Self.sorted(members)
    }

    /// Members whose value is nil are left out.
    package init(dictionaryLiteral elements: (String, JSONValue?)...) {
        self.init(elements.compactMap { key, value in value.map { Member(key: key, value: $0) } })
    }

    package subscript(key: String) -> JSONValue? {
        members.first { $0.key.utf8.elementsEqual(key.utf8) }?.value
    }

    private static func precedes(_ a: Member, _ b: Member) -> Bool {
        a.key.utf8.lexicographicallyPrecedes(b.key.utf8)
    }

    private static func sorted(_ members: [Member]) -> [Member] {
        var result: [Member] = []
        result.reserveCapacity(members.count)
        // The order of equals stays.
        for member in members.sorted(by: precedes) {
            if let last = result.last, !precedes(last, member) { result.removeLast() }
            result.append(member)
        }
        return result
    }
}

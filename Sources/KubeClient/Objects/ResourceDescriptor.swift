// SPDX-License-Identifier: Apache-2.0

/// Where the API server keeps objects of one kind.
package struct ResourceDescriptor: Hashable, Sendable {
    /// Empty for the core group.
    package let group: String
    package let version: String
    package let plural: String
    package let kind: String
    package let isNamespaced: Bool

    package init(group: String, version: String, plural: String, kind: String, isNamespaced: Bool) {
        self.group = group
        self.version = version
        self.plural = plural
        self.kind = kind
        self.isNamespaced = isNamespaced
    }

    /// As objects carry it: "v1", "apps/v1".
    package var apiVersion: String { group.isEmpty ? version : "\(group)/\(version)" }

    /// `/api/v1` or `/apis/GROUP/VERSION`.
    var root: String { group.isEmpty ? "/api/\(version)" : "/apis/\(group)/\(version)" }

    /// The path of one object, or of all (`name` nil), of one namespace or (nil or empty) of all namespaces.
    func path(namespace: String?, name: String? = nil, subresource: String? = nil) -> String {
        var path = root
        if isNamespaced, let namespace, !namespace.isEmpty { path += "/namespaces/\(Self.escaped(namespace))" }
        path += "/\(plural)"
        if let name { path += "/\(Self.escaped(name))" }
        if let subresource { path += "/\(subresource)" }
        return path
    }

    /// Names of some kinds may hold nearly any character.
    private static func escaped(_ segment: String) -> String { percentEncoded(segment) }
}

/// Everything but RFC 3986's unreserved characters, which is right in paths and queries alike.
func percentEncoded(_ text: String) -> String {
    var result = ""
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            result.unicodeScalars.append(Unicode.Scalar(byte))
        default:
            let digits = String(byte, radix: 16, uppercase: true)
            result += digits.count == 1 ? "%0\(digits)" : "%\(digits)"
        }
    }
    return result
}

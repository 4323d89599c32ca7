// SPDX-License-Identifier: Apache-2.0

/// The grammars of names in the Kubernetes API. Each check returns what is wrong, to be put behind the value, or nil.
package enum Syntax {
    /// DNS-1123 label: namespaces, container names.
    package static func dnsLabelProblem(_ text: String) -> String? {
        if text.isEmpty || text.utf8.count > 63 { return "must have 1 to 63 characters" }
        guard isDNSLabel(text.utf8) else {
            return "must be lower case letters, digits and '-', beginning and ending with a letter or digit"
        }
        return nil
    }

    /// DNS-1123 subdomain: names of most objects.
    package static func dnsSubdomainProblem(_ text: String) -> String? {
        if text.isEmpty || text.utf8.count > 253 { return "must have 1 to 253 characters" }
        guard text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false).allSatisfy(isDNSLabel)
        else {
            return "must be lower case letters, digits, '-' and '.', each part beginning and ending with a letter "
                + "or digit"
        }
        return nil
    }

    /// `name` or `dns.subdomain/name`.
    package static func labelKeyProblem(_ text: String) -> String? {
        let parts = text.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count <= 2, let name = parts.last else { return "must have at most one '/'" }
        if parts.count == 2, let problem = dnsSubdomainProblem(String(parts[0])) {
            return "has a prefix that \(problem)"
        }
        if name.isEmpty || name.utf8.count > 63 { return "must have a name of 1 to 63 characters" }
        return isQualifiedName(name.utf8) ? nil : qualifiedNameRule
    }

    /// Empty, or 1 to 63 characters.
    package static func labelValueProblem(_ text: String) -> String? {
        if text.utf8.count > 63 { return "must have at most 63 characters" }
        return text.isEmpty || isQualifiedName(text.utf8) ? nil : qualifiedNameRule
    }

    /// IANA_SVC_NAME (RFC 6335, 5.1), as names of container ports are.
    package static func portNameProblem(_ text: String) -> String? {
        let bytes = text.utf8
        if bytes.isEmpty || bytes.count > 15 { return "must have 1 to 15 characters" }
        let rule = "must be lower case letters, digits and single '-' inside, with at least one letter"
        guard isDNSLabel(bytes), bytes.contains(where: isLowerCase) else { return rule }
        return zip(bytes, bytes.dropFirst()).contains { $0 == hyphen && $1 == hyphen } ? rule : nil
    }

    package static func portNumberProblem(_ number: Int) -> String? {
        (1...65535).contains(number) ? nil : "must be between 1 and 65535"
    }

    private static let qualifiedNameRule =
        "must be letters, digits, '-', '_' and '.', beginning and ending with a letter or digit"
    private static let hyphen = UInt8(ascii: "-")

    private static func isLowerCase(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "a") && byte <= UInt8(ascii: "z") }

    private static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }

    private static func isAlphanumeric(_ byte: UInt8) -> Bool { isLowerCase(byte | 0x20) || isDigit(byte) }

    private static func isDNSLabel(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        guard let first = bytes.first, let last = bytes.last, first != hyphen, last != hyphen else { return false }
        return bytes.allSatisfy { isLowerCase($0) || isDigit($0) || $0 == hyphen }
    }

    private static func isQualifiedName(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        guard let first = bytes.first, let last = bytes.last, isAlphanumeric(first), isAlphanumeric(last) else {
            return false
        }
        return bytes.allSatisfy {
            isAlphanumeric($0) || $0 == hyphen || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".")
        }
    }
}

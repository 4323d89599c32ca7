// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// Sources whose packets are dropped before the stack sees them, and the name under which they are counted.
package struct DenyGroup: Hashable, Sendable {
    /// The file's name without `.list`.
    package let name: String
    /// Each once, in order.
    package let prefixes: [Prefix]

    package init(name: String, prefixes: [Prefix]) {
        self.name = name
        self.prefixes = prefixes
    }
}

/// Reads one list: a prefix or an address per line; what follows a `#` is a comment.
enum DenyListParser {
    /// A file that is no list at all must not fill the log.
    private static let reportedErrors = 20

    struct Result {
        /// Sorted, each once.
        var prefixes: [Prefix] = []
        var errors: [ManifestError] = []
    }

    static func parse(_ bytes: [UInt8], file: String) -> Result {
        var result = Result()
        var unreported = 0
        var lineNumber = 0
        for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
            lineNumber += 1
            let entry = trim(line.prefix { $0 != UInt8(ascii: "#") })
            if entry.isEmpty { continue }
            switch parse(String(decoding: entry, as: UTF8.self)) {
            case .success(let prefix):
                result.prefixes.append(prefix)
            case .failure(let problem):
                guard result.errors.count < reportedErrors else {
                    unreported += 1
                    continue
                }
                let column = entry.startIndex - line.startIndex + 1
                result.errors.append(
                    ManifestError(file: file, line: lineNumber, column: column, message: problem.message))
            }
        }
        if unreported > 0 {
            result.errors.append(
                ManifestError(file: file, line: lineNumber, message: "\(unreported) more lines are wrong"))
        }
        sortUnique(&result.prefixes)
        return result
    }

    private struct Problem: Error {
        let message: String
    }

    private static func parse(_ text: String) -> Swift.Result<Prefix, Problem> {
        guard let slash = text.utf8.firstIndex(of: UInt8(ascii: "/")) else {
            guard let address = IPAddress(text) else {
                return .failure(Problem(message: "\"\(text.prefix(60))\" is neither an address nor a prefix"))
            }
            return .success(Prefix(host: address))
        }
        guard let prefix = Prefix(text), let address = IPAddress(text[..<slash]) else {
            return .failure(Problem(message: "\"\(text.prefix(60))\" is neither an address nor a prefix"))
        }
        // Whoever wrote one address and got its whole network dropped would not be pleased.
        guard address == prefix.address else {
            return .failure(
                Problem(message: "\(text) has bits set after its length: is \(prefix) meant, or \(address)?"))
        }
        return .success(prefix)
    }

    private static func trim(_ line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var line = line
        while let first = line.first, isSpace(first) { line.removeFirst() }
        while let last = line.last, isSpace(last) { line.removeLast() }
        return line
    }

    private static func isSpace(_ byte: UInt8) -> Bool {
        byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") || byte == UInt8(ascii: "\r")
    }

    private static func sortUnique(_ prefixes: inout [Prefix]) {
        prefixes.sort()
        var unique: [Prefix] = []
        unique.reserveCapacity(prefixes.count)
        for prefix in prefixes where unique.last != prefix { unique.append(prefix) }
        prefixes = unique
    }
}

// SPDX-License-Identifier: Apache-2.0

/// Cuts a stream of bytes into lines, however the bytes come. Empty lines are left out, as is the line feed.
struct LineSplitter {
    /// Longer lines are an error: no event comes near.
    static let limit = 1 << 20

    private var rest: [UInt8] = []

    /// Hands on every line that `bytes` completes, until `body` returns false.
    /// - Returns: false when `body` did.
    mutating func feed(_ bytes: [UInt8], to body: ([UInt8]) throws -> Bool) throws -> Bool {
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            rest.append(contentsOf: bytes[start..<end])
            start = end + 1
            let line = rest
            rest.removeAll(keepingCapacity: true)
            if !line.isEmpty, try !body(line) { return false }
        }
        rest.append(contentsOf: bytes[start...])
        guard rest.count <= Self.limit else {
            throw HTTPError(detail: "a line is longer than \(Self.limit) bytes")
        }
        return true
    }
}

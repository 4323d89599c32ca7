// SPDX-License-Identifier: Apache-2.0

/// Lines out of chunks that end anywhere.
struct LineSplitter: Sendable {
    struct TooLong: Error, Equatable {
        let limit: Int
    }

    /// The most bytes that wait for their line's end.
    let limit: Int
    private var rest: [UInt8] = []

    init(limit: Int) {
        self.limit = limit
    }

    /// Bytes of a line that has not ended yet.
    var buffered: Int { rest.count }

    /// The lines that end within `bytes`, without their ends; empty ones are left out.
    mutating func feed(_ bytes: some Collection<UInt8>) throws(TooLong) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: 0x0a) {
            rest.append(contentsOf: bytes[start..<end])
            if rest.last == 0x0d { rest.removeLast() }
            guard rest.count <= limit else { throw TooLong(limit: limit) }
            if !rest.isEmpty { lines.append(rest) }
            rest = []
            start = bytes.index(after: end)
        }
        rest.append(contentsOf: bytes[start...])
        guard rest.count <= limit else { throw TooLong(limit: limit) }
        return lines
    }
}

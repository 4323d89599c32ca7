// SPDX-License-Identifier: Apache-2.0

/// Goes once through the numbers of several ranges: first those that were never used, then, after a restart, the
/// earlier ones, some of which may be free without anyone knowing.
struct Sweep: Sendable {
    private struct Span {
        let range: Int
        var next: UInt64
        let end: UInt64
    }

    private var spans: [Span]
    private var current = 0
    private let rangeCount: Int

    init(sizes: [UInt64], firstUnused: [UInt64]? = nil) {
        let starts = firstUnused ?? sizes.map { _ in 0 }
        spans = sizes.indices.map { Span(range: $0, next: starts[$0], end: sizes[$0]) }
        spans += sizes.indices.filter { starts[$0] > 0 }.map { Span(range: $0, next: 0, end: starts[$0]) }
        rangeCount = sizes.count
    }

    /// nil when all numbers were given.
    mutating func next() -> (range: Int, number: UInt64)? {
        while current < spans.count {
            let span = spans[current]
            if span.next < span.end {
                spans[current].next += 1
                return (span.range, span.next)
            }
            current += 1
        }
        return nil
    }

    /// The range's size if none is unused.
    func firstUnused(of range: Int) -> UInt64 {
        spans[range].next
    }
}

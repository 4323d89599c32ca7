// SPDX-License-Identifier: Apache-2.0

/// Ports `first...last`, both included, never empty. Order is by first, then by last.
package struct PortRange: Hashable, Sendable {
    package let first: UInt16
    package let last: UInt16

    /// nil if `last` is before `first`.
    package init?(first: UInt16, last: UInt16) {
        guard first <= last else { return nil }
        (self.first, self.last) = (first, last)
    }

    package init(_ port: UInt16) {
        (first, last) = (port, port)
    }

    private init(unchecked range: ClosedRange<UInt16>) {
        (first, last) = (range.lowerBound, range.upperBound)
    }

    /// 0-65535.
    package static let all = PortRange(unchecked: 0...UInt16.max)

    package var isAll: Bool { first == 0 && last == .max }

    /// 1...65536.
    package var count: Int { Int(last) - Int(first) + 1 }

    package func contains(_ port: UInt16) -> Bool { first <= port && port <= last }

    package func contains(_ other: PortRange) -> Bool { first <= other.first && other.last <= last }

    package func overlaps(_ other: PortRange) -> Bool { first <= other.last && other.first <= last }

    /// What both have, nil if they have nothing in common.
    package func intersection(_ other: PortRange) -> PortRange? {
        PortRange(first: max(first, other.first), last: min(last, other.last))
    }
}

extension PortRange: Comparable {
    package static func < (a: PortRange, b: PortRange) -> Bool {
        a.first == b.first ? a.last < b.last : a.first < b.first
    }
}

extension PortRange: CustomStringConvertible {
    /// "80" or "8000-8080".
    package var description: String { first == last ? "\(first)" : "\(first)-\(last)" }
}

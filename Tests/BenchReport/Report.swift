// SPDX-License-Identifier: Apache-2.0
import Foundation

/// One measured figure.
package struct Row: Codable, Sendable {
    package var name: String
    package var value: Double
    package var unit: String
    /// What it is compared with, measured in the same run; nil: nothing.
    package var peer: String?
    /// `value` over the peer's.
    package var ratio: Double?
    /// In words, as "ratio <= 2".
    package var goal: String?
    package var ok: Bool?
}

package struct Report: Sendable {
    package private(set) var rows: [Row] = []

    package init() {}

    package mutating func add(
        _ name: String, _ value: Double, _ unit: String, peer: (name: String, value: Double)? = nil,
        goal: Goal? = nil
    ) {
        let ratio = peer.map { value / $0.value }
        rows.append(
            Row(
                name: name, value: value, unit: unit, peer: peer.map { "\($0.name): \(Self.text($0.value)) \(unit)" },
                ratio: ratio, goal: goal?.text, ok: goal?.holds(value, ratio)))
        print("  measured \(name): \(Self.text(value)) \(unit)")
    }

    package enum Goal: Sendable {
        case atMost(Double)
        case ratioAtMost(Double)
        case ratioAtLeast(Double)

        var text: String {
            switch self {
            case .atMost(let limit): "at most \(Report.text(limit))"
            case .ratioAtMost(let limit): "ratio at most \(Report.text(limit))"
            case .ratioAtLeast(let limit): "ratio at least \(Report.text(limit))"
            }
        }

        func holds(_ value: Double, _ ratio: Double?) -> Bool {
            switch self {
            case .atMost(let limit): value <= limit
            case .ratioAtMost(let limit): (ratio ?? .infinity) <= limit
            case .ratioAtLeast(let limit): (ratio ?? 0) >= limit
            }
        }
    }

    package static func text(_ value: Double) -> String {
        if value >= 1000 { return String(Int(value.rounded())) }
        return value == value.rounded() ? String(Int(value)) : String(format: value < 10 ? "%.2f" : "%.1f", value)
    }

    package func printTable() {
        let lines = rows.map { row in
            [
                row.name, Self.text(row.value), row.unit, row.peer ?? "",
                row.ratio.map { String(format: "%.2f", $0) } ?? "",
                row.goal ?? "", row.ok.map { $0 ? "yes" : "NO" } ?? "",
            ]
        }
        let table = [["WHAT", "VALUE", "UNIT", "BESIDE", "RATIO", "GOAL", "REACHED"]] + lines
        let widths = table[0].indices.map { column in table.map { $0[column].count }.max() ?? 0 }
        print("")
        for line in table {
            let cells = zip(line, widths).map { $0.padding(toLength: $1, withPad: " ", startingAt: 0) }
            print(cells.joined(separator: "  "))
        }
    }

    package func writeJSON(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try encoder.encode(rows).write(to: URL(fileURLWithPath: path))
    }
}

/// The middle value; of an even number, the lower of the two.
package func median(_ values: [Double]) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[(sorted.count - 1) / 2]
}

/// What a quarter of the values stays under.
package func lowerQuartile(_ values: [Double]) -> Double { percentile(values, 0.25) }

package func percentile(_ values: [Double], _ share: Double) -> Double {
    let sorted = values.sorted()
    return sorted.isEmpty ? .nan : sorted[min(sorted.count - 1, Int(Double(sorted.count) * share))]
}

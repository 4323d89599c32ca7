// SPDX-License-Identifier: Apache-2.0

/// Rows under aligned column heads, two spaces between columns, nothing behind the last.
package struct Table {
    package let columns: [String]
    private var rows: [[String]] = []
    private let numeric: Set<Int>

    /// - Parameter numeric: columns that are aligned to the right.
    package init(_ columns: [String], numeric: Set<Int> = []) {
        self.columns = columns
        self.numeric = numeric
    }

    /// Missing cells are empty, an empty cell shows as "-".
    package mutating func add(_ cells: [String]) {
        rows.append(columns.indices.map { $0 < cells.count && !cells[$0].isEmpty ? cells[$0] : "-" })
    }

    /// Lines without a final newline; only the heads when there is no row.
    package var text: String {
        let widths = columns.indices.map { column in
            rows.reduce(columns[column].count) { max($0, $1[column].count) }
        }
        return ([columns] + rows).map { line(of: $0, widths: widths) }.joined(separator: "\n")
    }

    private func line(of cells: [String], widths: [Int]) -> String {
        var line = ""
        for (column, cell) in cells.enumerated() {
            let padding = String(repeating: " ", count: widths[column] - cell.count)
            let isLast = column == cells.count - 1
            if numeric.contains(column) {
                line += padding + cell
            } else {
                line += isLast ? cell : cell + padding
            }
            if !isLast { line += "  " }
        }
        return line
    }
}

/// "name  value" lines, values aligned, for a page about one thing.
package struct Fields {
    private var lines: [(name: String, value: String)] = []

    package init() {}

    package mutating func add(_ name: String, _ value: String) {
        lines.append((name, value))
    }

    package var text: String {
        let width = lines.reduce(0) { max($0, $1.name.count) }
        return lines.map { line in
            let value = line.value.split(separator: "\n", omittingEmptySubsequences: false)
                .joined(separator: "\n" + String(repeating: " ", count: width + 2))
            return line.name + String(repeating: " ", count: width - line.name.count + 2) + value
        }.joined(separator: "\n")
    }
}

// SPDX-License-Identifier: Apache-2.0

/// What came of a connectivity test; `-o json` prints it.
package struct ConnectivityReport: Hashable, Codable, Sendable {
    package enum Outcome: String, Hashable, Codable, Sendable {
        case passed
        case failed
        case skipped
    }

    package struct Result: Hashable, Codable, Sendable {
        package var scenario: String
        package var about: String
        package var outcome: Outcome
        package var seconds: Double
        /// How many questions had to be answered, and how many had to be refused.
        package var allowed = 0
        package var refused = 0
        /// What was not as expected, or why it was skipped.
        package var notes: [String] = []
    }

    package var results: [Result] = []
    /// What kept the test from being run to its end.
    package var problem: String?
    /// What could not be deleted.
    package var leftovers: [String] = []

    package init() {}

    package func count(_ outcome: Outcome) -> Int { results.count { $0.outcome == outcome } }

    /// At least one scenario was run, none failed, and all is cleaned up.
    package var isSuccess: Bool {
        problem == nil && leftovers.isEmpty && count(.failed) == 0 && count(.passed) > 0
    }

    /// The last lines.
    package var summary: String {
        var lines = [
            "\(count(.passed)) scenarios passed, \(count(.failed)) failed, \(count(.skipped)) skipped; "
                + "\(probes(\.allowed)) probes had to be answered and \(probes(\.refused)) refused"
        ]
        let failed = results.filter { $0.outcome == .failed }
        if !failed.isEmpty { lines.append("failed: " + failed.map(\.scenario).joined(separator: ", ")) }
        if let problem { lines.append("not run to the end: \(problem)") }
        if !leftovers.isEmpty { lines.append("not deleted: " + leftovers.joined(separator: ", ")) }
        return lines.joined(separator: "\n")
    }

    private func probes(_ count: KeyPath<Result, Int>) -> Int {
        results.filter { $0.outcome != .skipped }.reduce(0) { $0 + $1[keyPath: count] }
    }
}

extension ConnectivityReport.Result {
    private static let shownNotes = 8

    /// The progress line, and one for each note of a failure, or for the first of them.
    package func text(number: Int, of count: Int, width: Int) -> String {
        let digits = "\(count)".count
        let position = String(repeating: " ", count: digits - "\(number)".count) + "\(number)"
        let head = "[\(position)/\(count)] " + scenario + String(repeating: " ", count: max(0, width - scenario.count))
        switch outcome {
        case .skipped: return "\(head)  skipped: \(notes.joined(separator: "; "))"
        case .passed: return "\(head)  ok      \(tenths) s, \(allowed) allowed, \(refused) refused"
        case .failed:
            let rest = notes.count - Self.shownNotes
            let lines = notes.prefix(Self.shownNotes) + (rest > 0 ? ["and \(rest) more"] : [])
            return (["\(head)  FAILED  \(tenths) s"] + lines.map { "        \($0)" }).joined(separator: "\n")
        }
    }

    private var tenths: String {
        let count = Int((seconds * 10).rounded())
        return "\(count / 10).\(count % 10)"
    }
}

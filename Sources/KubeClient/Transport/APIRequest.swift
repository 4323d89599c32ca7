// SPDX-License-Identifier: Apache-2.0
import NIOHTTP1

/// One request, before it is known which server gets it.
struct APIRequest: Sendable {
    var method: HTTPMethod = .GET
    var path: String
    var query: [(name: String, value: String)] = []
    var body: [UInt8]?
    var contentType = "application/json"

    /// For messages: without the query, which says little and is long.
    var name: String { "\(method.rawValue) \(path)" }

    /// Path and query.
    var target: String {
        guard !query.isEmpty else { return path }
        return "\(path)?"
            + query.map { "\(percentEncoded($0.name))=\(percentEncoded($0.value))" }.joined(separator: "&")
    }

    /// Doing it twice is doing it once.
    var isSafe: Bool { method == .GET }
}

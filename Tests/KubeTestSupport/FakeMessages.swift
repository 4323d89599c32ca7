// SPDX-License-Identifier: Apache-2.0
import Foundation
package import NIOHTTP1

/// What came in.
package struct FakeRequest: Sendable {
    package let method: String
    package let path: String
    package let query: [String: String]
    /// By lower-case name.
    package let headers: [String: String]
    package let body: [UInt8]

    package init(_ head: HTTPRequestHead, body: [UInt8]) {
        method = head.method.rawValue
        let parts = head.uri.split(separator: "?", maxSplits: 1)
        path = parts.first.map { String($0).removingPercentEncoding ?? String($0) } ?? ""
        var query: [String: String] = [:]
        for item in (parts.count > 1 ? parts[1] : "").split(separator: "&") {
            let pair = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                .map { String($0).removingPercentEncoding ?? String($0) }
            query[pair[0]] = pair.count > 1 ? pair[1] : ""
        }
        self.query = query
        headers = Dictionary(head.headers.map { ($0.name.lowercased(), $0.value) }, uniquingKeysWith: { $1 })
        self.body = body
    }

    package var isWatch: Bool { query["watch"] == "1" }
    package var authorization: String? { headers["authorization"] }

    /// The body as JSON.
    package var json: JSONValue { (try? JSONDecoder().decode(JSONValue.self, from: Data(body))) ?? .null }
}

/// What goes out.
package struct FakeResponse: Sendable {
    package typealias Stream = @Sendable (_ write: (String) async throws -> Void) async throws -> Void

    package var status = 200
    package var headers: [String: String] = [:]
    /// Sent in chunks, each when the kernel has taken the one before. If it throws, the connection breaks.
    package var stream: Stream

    package static func json(_ text: String, status: Int = 200, headers: [String: String] = [:]) -> FakeResponse {
        FakeResponse(status: status, headers: headers) { try await $0(text) }
    }

    package static func chunks(_ stream: @escaping Stream) -> FakeResponse {
        FakeResponse(stream: stream)
    }

    /// A refusal, as the API server words it.
    package static func status(
        _ code: Int, _ reason: String, _ message: String = "no", headers: [String: String] = [:], details: String = "{}"
    ) -> FakeResponse {
        json(
            """
            {"kind":"Status","apiVersion":"v1","status":"Failure","message":"\(message)","reason":"\(reason)",\
            "details":\(details),"code":\(code)}
            """, status: code, headers: headers)
    }
}

/// The connection is to break here.
package struct Abort: Error {
    package init() {}
}

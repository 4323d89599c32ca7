// SPDX-License-Identifier: Apache-2.0

/// Why the agent refused a request: the `error` of every 4xx and 5xx reply.
package struct APIError: Error, Hashable, Codable, Sendable, CustomStringConvertible {
    /// For programs; see the constants below.
    package var code: String
    /// For people: complete, names the object.
    package var message: String
    /// The same request may succeed later without anybody changing anything.
    package var retryable: Bool

    package init(code: String, message: String, retryable: Bool = false) {
        self.code = code
        self.message = message
        self.retryable = retryable
    }

    package var description: String { "\(message) (\(code))" }
}

extension APIError {
    /// Values of ``code`` that the agent uses. A client must take others, too.
    package enum Code {
        /// 400: the request's body or query is wrong.
        package static let badRequest = "badRequest"
        /// 404: no such endpoint, map or path.
        package static let notFound = "notFound"
        /// 413: the request's body is larger than the agent reads.
        package static let tooLarge = "tooLarge"
        /// 409: the object is in a state that does not allow this.
        package static let conflict = "conflict"
        /// 503: the agent is starting or stopping.
        package static let notReady = "notReady"
        /// 507: no address, endpoint number or room in a map is left; the message names which and its setting.
        package static let exhausted = "exhausted"
        /// 500: the kernel refused something.
        package static let kernel = "kernel"
        /// 500: anything else.
        package static let `internal` = "internal"
    }
}

/// The body of every 4xx and 5xx reply: `{"error": {"code": ..., "message": ..., "retryable": ...}}`.
package struct ErrorBody: Hashable, Codable, Sendable {
    package var error: APIError

    package init(error: APIError) {
        self.error = error
    }
}

// SPDX-License-Identifier: Apache-2.0

/// How an ``APIClient`` behaves.
package struct ClientOptions: Sendable {
    /// "skein/1.2.3"
    package var userAgent: String
    /// Until a server is connected; then the next one is tried.
    package var connectTimeout: Duration = .seconds(5)
    /// For a whole request, but a list or a watch: there it is the longest that the server may say nothing (a watch has
    /// a limit of its own).
    package var requestTimeout: Duration = .seconds(30)
    /// Of one object, and of an answer that is no list.
    package var maximumObjectBytes = 16 << 20
    /// How often a request that the server puts off (429, or Retry-After) is sent in all.
    package var attempts = 5
    /// The longest Retry-After that is obeyed; a longer one is an error.
    package var maximumRetryAfter: Duration = .seconds(60)
    /// Between attempts when the server does not say how long.
    package var backoff = Backoff()
    /// For tests.
    package var sleep: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    package init(version: String) {
        userAgent = "skein/\(version)"
    }
}

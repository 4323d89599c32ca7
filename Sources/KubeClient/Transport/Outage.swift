// SPDX-License-Identifier: Apache-2.0

/// A time without an answer of any API server.
package struct Outage: Hashable, Sendable {
    /// Seconds since 1970, of the first request that had none.
    package let since: Int64
    /// What became of the last one, for a person.
    package let problem: String
}

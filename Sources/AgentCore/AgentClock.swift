// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// The time of day, injected so that tests decide how late it is.
package struct AgentClock: Sendable {
    /// Milliseconds since 1970.
    package let milliseconds: @Sendable () -> Int64

    package init(milliseconds: @escaping @Sendable () -> Int64) {
        self.milliseconds = milliseconds
    }

    package var seconds: Int64 { milliseconds() / 1_000 }

    package static let system = AgentClock { Int64(Date().timeIntervalSince1970 * 1_000) }
}

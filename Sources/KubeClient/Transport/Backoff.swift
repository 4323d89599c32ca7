// SPDX-License-Identifier: Apache-2.0

/// How long to wait before the next try: grows by `factor` up to `limit`, less a random part, so that many who failed
/// together do not come back together.
package struct Backoff: Hashable, Sendable {
    /// Before the second try.
    package var base: Duration
    package var factor: Double
    package var limit: Duration
    /// The part of the wait that is random, 0 to 1: 0.5 waits between the half and the whole.
    package var jitter: Double

    package init(
        base: Duration = .milliseconds(500), factor: Double = 2, limit: Duration = .seconds(30), jitter: Double = 0.5
    ) {
        self.base = base
        self.factor = factor
        self.limit = limit
        self.jitter = jitter
    }

    /// Failures one after the other, from 1 on. Never above ``limit``, however large `attempt` is.
    package func delay(attempt: Int, using generator: inout some RandomNumberGenerator) -> Duration {
        var whole = base
        for _ in 1..<max(attempt, 1) where whole < limit { whole = whole * factor }
        return Self.shortened(min(whole, limit), by: jitter, using: &generator)
    }

    /// `duration` less a random part of it, at most `jitter` (0 to 1).
    package static func shortened(
        _ duration: Duration, by jitter: Double, using generator: inout some RandomNumberGenerator
    ) -> Duration {
        guard jitter > 0 else { return duration }
        return duration * (1 - Double.random(in: 0...min(jitter, 1), using: &generator))
    }
}

/// SplitMix64: small, fast, and the same from the same seed. Not for secrets.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    private var state: UInt64

    package init(seed: UInt64) {
        state = seed
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var word = state
        word = (word ^ (word >> 30)) &* 0xbf58_476d_1ce4_e5b9
        word = (word ^ (word >> 27)) &* 0x94d0_49bb_1331_11eb
        return word ^ (word >> 31)
    }
}

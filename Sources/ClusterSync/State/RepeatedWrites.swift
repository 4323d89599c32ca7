// SPDX-License-Identifier: Apache-2.0
import KubeClient

/// When the same may be written once more. What was written is shown soon, and then there is nothing to write; but a write
/// may succeed and not stick: the API server leaves out fields that an older schema doesn't have. Then each wait is longer
/// than the one before.
struct RepeatedWrites<Plan: Equatable> {
    private struct Last {
        let plan: Plan
        let times: Int
        let until: ContinuousClock.Instant
    }

    private let backoff: Backoff
    private var last: Last?

    init(_ backoff: Backoff) {
        self.backoff = backoff
    }

    /// nil: it may be written now.
    func wait(before plan: Plan, at now: ContinuousClock.Instant) -> Duration? {
        guard let last, last.plan == plan, now < last.until else { return nil }
        return now.duration(to: last.until)
    }

    /// The API server has taken it.
    mutating func wrote(
        _ plan: Plan, at now: ContinuousClock.Instant, using generator: inout some RandomNumberGenerator
    ) {
        let times = last.map { $0.plan == plan ? $0.times + 1 : 1 } ?? 1
        last = Last(plan: plan, times: times, until: now + backoff.delay(attempt: times, using: &generator))
    }

    /// It stuck.
    mutating func forget() {
        last = nil
    }
}

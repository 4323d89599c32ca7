// SPDX-License-Identifier: Apache-2.0

/// Decides what is to be done; it does nothing itself, and times are those of the caller's monotonic clock, from any
/// start.
package protocol WorkMachine: Sendable {
    associatedtype Work: Sendable
    associatedtype Outcome: Sendable

    /// The next thing to do; nil: nothing before ``wake`` or before something is told. The caller tells later how it went.
    mutating func next(now: Duration) -> Work?

    /// When ``next(now:)`` may give something though nothing was told; nil: never.
    var wake: Duration? { get }

    mutating func done(_ work: Work, _ outcome: Outcome, now: Duration)
}

/// Why a write did not succeed.
package enum WriteFailure: Hashable, Sendable {
    /// The object is in another version by now: it will be told.
    case conflict
    /// There is no such object.
    case gone
    /// The server will not have it, however often it is sent.
    case refused(String)
    /// It may work another time. Whether it took effect is not known.
    case failed(String)
}

/// How long to wait after failures one after the other. Half a second first, then twice as long each time, up to half a
/// minute.
package func retryDelay(attempt: Int) -> Duration {
    min(.milliseconds(500) * (1 << min(max(attempt, 1) - 1, 10)), .seconds(30))
}

// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A point of CLOCK_MONOTONIC by which something has to be done, so that several steps share one limit.
package struct Deadline: Sendable {
    /// Nanoseconds; nil: there is no hurry.
    private let nanoseconds: Int64?

    private init(nanoseconds: Int64?) {
        self.nanoseconds = nanoseconds
    }

    package static let never = Deadline(nanoseconds: nil)

    /// `duration` from now; at once when that is negative.
    package static func after(_ duration: Duration) -> Deadline {
        let parts = duration.components
        return Deadline(nanoseconds: now + parts.seconds * 1_000_000_000 + parts.attoseconds / 1_000_000_000)
    }

    package var hasPassed: Bool { nanoseconds.map { $0 <= Self.now } ?? false }

    /// For poll(2): -1 for never, 0 when it has passed, else what is left, rounded up.
    package var pollTimeout: Int32 {
        guard let nanoseconds else { return -1 }
        return Int32(clamping: (max(0, nanoseconds - Self.now) + 999_999) / 1_000_000)
    }

    /// What is left for a socket option; zero seconds would mean forever, so at least a microsecond.
    var timeLeft: timeval {
        guard let nanoseconds else { return timeval() }
        let left = max(1_000, nanoseconds - Self.now)
        return timeval(tv_sec: Int(left / 1_000_000_000), tv_usec: Int(left % 1_000_000_000 / 1_000))
    }

    private static var now: Int64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc

/// How a call of the plugin is named to the agent: when it began, and chance. Later calls of one boot come after earlier
/// ones in the order of texts.
package enum AddAttempt {
    private static let digits = 16

    /// A name for a call that begins now.
    package static func name() -> String {
        text(nanosecondsSinceBoot) + text(.random(in: .min ... .max))
    }

    /// Milliseconds since the call of that name began, rounded down; nil where the name does not say when that was.
    package static func age(of name: String) -> UInt32? {
        guard name.utf8.count == 2 * digits, let began = UInt64(name.prefix(digits), radix: 16) else { return nil }
        let now = nanosecondsSinceBoot
        return began <= now ? UInt32(clamping: (now - began) / 1_000_000) : nil
    }

    /// CLOCK_BOOTTIME, which containers share with their node.
    private static var nanosecondsSinceBoot: UInt64 {
        var time = timespec()
        guard unsafe clock_gettime(CLOCK_BOOTTIME, &time) == 0 else { return 0 }
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    private static func text(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: digits - text.count) + text
    }
}

// SPDX-License-Identifier: Apache-2.0
package import FoundationEssentials

/// RFC 3339, with or without fractions of a second.
func parseTimestamp(_ text: String) -> Date? {
    if let date = try? Date.ISO8601FormatStyle().parse(text) { return date }
    return try? Date.ISO8601FormatStyle(includingFractionalSeconds: true).parse(text)
}

/// `2026-01-02T03:04:05Z`, as meta/v1 Time is written.
package func timestamp(_ date: Date) -> String {
    Date.ISO8601FormatStyle().format(date)
}

/// `2026-01-02T03:04:05.000006Z`, as meta/v1 MicroTime is written: it takes six digits, no fewer.
func microTimestamp(_ date: Date) -> String {
    let whole = date.timeIntervalSince1970.rounded(.down)
    let micros = min(Int((date.timeIntervalSince1970 - whole) * 1_000_000), 999_999)
    let digits = String(micros)
    let fraction = String(repeating: "0", count: 6 - digits.count) + digits
    return timestamp(Date(timeIntervalSince1970: whole)).dropLast() + ".\(fraction)Z"
}

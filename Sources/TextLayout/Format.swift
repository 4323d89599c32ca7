// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Numbers and times as people read them.
package enum Format {
    /// "512 B", "1.5 KiB", "12 MiB".
    package static func bytes(_ count: UInt64) -> String {
        scaled(Double(count), step: 1_024, units: ["B", "KiB", "MiB", "GiB", "TiB"])
    }

    private static func scaled(_ value: Double, step: Double, units: [String]) -> String {
        var value = value
        var unit = 0
        while value >= step, unit < units.count - 1 {
            value /= step
            unit += 1
        }
        let text = unit == 0 || value >= 10 ? "\(Int(value.rounded()))" : decimal(value, digits: 1)
        return "\(text) \(units[unit])"
    }

    /// With a fixed number of digits behind the point.
    package static func decimal(_ value: Double, digits: Int) -> String {
        var factor = 1.0
        for _ in 0..<digits { factor *= 10 }
        let scaled = Int64((abs(value) * factor).rounded())
        let whole = scaled / Int64(factor)
        let rest = String(scaled % Int64(factor))
        let sign = value < 0 ? "-" : ""
        guard digits > 0 else { return sign + "\(whole)" }
        return sign + "\(whole)." + String(repeating: "0", count: digits - rest.count) + rest
    }

    package static func percent(_ ratio: Double) -> String {
        decimal(ratio * 100, digits: ratio > 0 && ratio < 0.1 ? 1 : 0) + "%"
    }

    /// "45s", "12m", "3h5m", "2d4h".
    package static func duration(_ seconds: Double) -> String {
        let total = Int64(max(0, seconds))
        let (days, hours, minutes) = (total / 86_400, total / 3_600 % 24, total / 60 % 60)
        if days > 0 { return hours > 0 ? "\(days)d\(hours)h" : "\(days)d" }
        if hours > 0 { return minutes > 0 ? "\(hours)h\(minutes)m" : "\(hours)h" }
        if minutes > 0 { return total < 600 && total % 60 > 0 ? "\(minutes)m\(total % 60)s" : "\(minutes)m" }
        return "\(total)s"
    }

    /// How long ago a time (seconds since 1970) was.
    package static func age(since time: Int64) -> String {
        duration(Double(Int64(Glibc.time(nil)) - time))
    }

    /// Local time of day with milliseconds, "14:03:07.250".
    package static func timeOfDay(_ time: Double) -> String {
        var seconds = time_t(time.rounded(.down))
        var parts = unsafe tm()
        guard unsafe localtime_r(&seconds, &parts) != nil else { return decimal(time, digits: 3) }
        let millis = Int((time - time.rounded(.down)) * 1_000)
        let clock = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0), to: 2) }
        return clock.joined(separator: ":") + "." + padded(millis, to: 3)
    }

    private static func padded(_ number: Int, to width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }

    /// "a=b,c=d" in the order of the keys.
    package static func labels(_ labels: [String: String]) -> String {
        labels.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ",")
    }

    /// What is left of "a, b, c" within a column's width.
    package static func list(_ items: [String], limit: Int = 3) -> String {
        guard items.count > limit else { return items.joined(separator: ", ") }
        return items.prefix(limit).joined(separator: ", ") + " +\(items.count - limit)"
    }
}

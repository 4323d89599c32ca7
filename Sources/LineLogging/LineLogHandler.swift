// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Logging

/// Writes one line for each message to standard error, in one write, so that lines never mix.
package struct LineLogHandler: LogHandler {
    package enum Format: Sendable {
        /// `2026-05-01T12:00:00Z notice agent ready endpoints=3`.
        case text
        /// `{"time": ..., "level": ..., "message": ..., <metadata>}`.
        case json
    }

    package var metadata: Logger.Metadata = [:]
    package var logLevel: Logger.Level
    private let format: Format

    package init(format: Format, logLevel: Logger.Level) {
        self.format = format
        self.logLevel = logLevel
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        let all = metadata.merging(event.metadata ?? [:]) { $1 }
        let fields = all.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") }
        var line = Self.line(
            time: Self.timestamp(), level: event.level, message: "\(event.message)", fields: fields, format: format)
        line += "\n"
        let bytes = Array(line.utf8)
        _ = unsafe bytes.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }

    static func line(
        time: String, level: Logger.Level, message: String, fields: [(String, String)], format: Format
    ) -> String {
        switch format {
        case .text:
            let pairs = fields.map { " \($0)=\(textValue($1))" }.joined()
            return "\(time) \(level.rawValue) \(escaped(message))\(pairs)"
        case .json:
            let own = [("time", time), ("level", level.rawValue), ("message", message)]
            // What a field calls itself must not hide what every line has.
            let rest = fields.map { field in (own.contains { $0.0 == field.0 } ? "_" + field.0 : field.0, field.1) }
            return "{" + (own + rest).map { "\(quoted($0.0)):\(quoted($0.1))" }.joined(separator: ",") + "}"
        }
    }

    /// Values with spaces are quoted, so that a line can be taken apart.
    private static func textValue(_ value: String) -> String {
        value.isEmpty || value.contains(where: { $0 == " " || $0 == "\"" || $0.isNewline }) ? quoted(value) : value
    }

    private static func escaped(_ text: String) -> String {
        text.contains(where: \.isNewline) ? quoted(text) : text
    }

    /// As a JSON string (RFC 8259, section 7).
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// UTC, as RFC 3339 writes it, with milliseconds.
    private static func timestamp() -> String {
        var now = timespec()
        _ = unsafe clock_gettime(CLOCK_REALTIME, &now)
        var parts = unsafe tm()
        guard unsafe gmtime_r(&now.tv_sec, &parts) != nil else { return "-" }
        let fields = unsafe (parts.tm_year + 1_900, parts.tm_mon + 1, parts.tm_mday)
        let clock = unsafe [parts.tm_hour, parts.tm_min, parts.tm_sec].map { padded(Int($0), 2) }
        let date = "\(fields.0)-\(padded(Int(fields.1), 2))-\(padded(Int(fields.2), 2))"
        return "\(date)T\(clock.joined(separator: ":")).\(padded(now.tv_nsec / 1_000_000, 3))Z"
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.count)) + text
    }
}

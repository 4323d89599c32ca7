// SPDX-License-Identifier: Apache-2.0
import Glibc
import LineLogging
import Logging

/// The agent's log goes to standard error.
enum Log {
    static func makeLogger(_ options: LogOptions) -> Logger {
        let level = Logger.Level(rawValue: options.logLevel.rawValue) ?? .notice
        let format: LineLogHandler.Format = options.logFormat == .json ? .json : .text
        return Logger(label: "skein-agent") { _ in LineLogHandler(format: format, logLevel: level) }
    }

    /// The last word, in a form that a person reads first.
    static func failure(_ error: any Error) {
        let line = Array("skein-agent: \(error)\n".utf8)
        _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}

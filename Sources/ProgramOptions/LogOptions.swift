// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import LineLogging
package import Logging

/// What a long-running program says, on standard error.
package struct LogOptions: ParsableArguments {
    @Option(help: "trace, debug, info, notice, warning, error or critical.")
    var logLevel = LogLevel.notice

    @Option(help: "text, a line for each message, or json, an object for each.")
    var logFormat = LogFormat.text

    package init() {}

    /// A logger by these options; `program` is its label.
    package func logger(for program: String) -> Logger {
        let level = Logger.Level(rawValue: logLevel.rawValue) ?? .notice
        let format: LineLogHandler.Format = logFormat == .json ? .json : .text
        return Logger(label: program) { _ in LineLogHandler(format: format, logLevel: level) }
    }
}

/// By the names of `Logger.Level`.
enum LogLevel: String, ExpressibleByArgument, CaseIterable {
    case trace, debug, info, notice, warning, error, critical
}

enum LogFormat: String, ExpressibleByArgument, CaseIterable {
    case text, json
}

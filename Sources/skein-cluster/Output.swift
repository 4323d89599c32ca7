// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import FoundationEssentials
import KubeClient
import TextLayout

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
}

/// What is said, and with which code the program then ends.
enum Output {
    static func line(_ text: String) { Terminal.output(text) }

    /// On standard error.
    static func note(_ text: String) { Terminal.error(text) }

    static func json(_ value: some Encodable) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        line(String(decoding: try encoder.encode(value), as: UTF8.self))
    }

    static func failure(_ problem: String, hint: String? = nil) -> ExitCode {
        note("skein: \(problem)")
        if let hint { note("hint: \(hint)") }
        return .failure
    }

    static func failure(_ error: KubeError) -> ExitCode {
        switch error.cause {
        case .unreachable, .interrupted, .timedOut:
            _ = failure("\(error)")
            return ExitCode(2)
        case .status where error.isForbidden || error.isUnauthorized:
            return failure(
                "\(error)", hint: "deploy/README.md says what the account of the kubeconfig has to be allowed")
        default: return failure("\(error)")
        }
    }
}

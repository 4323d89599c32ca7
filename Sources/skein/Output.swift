// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import ArgumentParser
import Glibc
import TextLayout

/// Standard output and standard error.
enum Output {
    /// Colours are for people only: on a terminal, unless NO_COLOR says otherwise.
    static var isTerminal: Bool { unsafe isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil }

    static func line(_ text: String) {
        Terminal.output(text)
    }

    static func json(_ value: some Encodable) throws {
        line(String(decoding: try JSONText.encode(value, pretty: true), as: UTF8.self))
    }

    /// Says what went wrong and what to look at, and returns the code to exit with.
    static func failure(_ error: AgentError, socket: String) -> ExitCode {
        Terminal.error("skein: \(error)")
        if let hint = hint(for: error, socket: socket) { Terminal.error("hint: \(hint)") }
        return error.isSilence ? ExitCode(2) : .failure
    }

    private static func hint(for error: AgentError, socket: String) -> String? {
        switch error {
        case .away:
            return """
                is skein-agent running on this node, with its socket at \(socket)? Another place is given by --socket; \
                the agent's log says why it did not start
                """
        case .refused(_, EACCES), .refused(_, EPERM):
            return "the socket belongs to root: try again as root"
        case .timedOut:
            return "the agent is busy or stuck: its log and `skein status` may say with what"
        case .api(let status, _) where status == 404:
            return "the list commands (`skein endpoint list`, `skein map list`) show the names that the agent knows"
        default:
            return nil
        }
    }
}

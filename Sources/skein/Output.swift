// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import ArgumentParser
import Glibc

/// Standard output and standard error.
enum Output {
    /// Colours are for people only: on a terminal, unless NO_COLOR says otherwise.
    static var isTerminal: Bool { unsafe isatty(STDOUT_FILENO) == 1 && getenv("NO_COLOR") == nil }

    static func line(_ text: String) {
        write(text + "\n", to: STDOUT_FILENO)
    }

    static func json(_ value: some Encodable) throws {
        line(String(decoding: try JSONText.encode(value, pretty: true), as: UTF8.self))
    }

    /// Says what went wrong and what to look at, and returns the code to exit with.
    static func failure(_ error: AgentError, socket: String) -> ExitCode {
        write("skein: \(error)\n", to: STDERR_FILENO)
        if let hint = hint(for: error, socket: socket) { write("hint: \(hint)\n", to: STDERR_FILENO) }
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

    /// All of it, or nothing more when the reader has gone (as with `| head`): then there is no point in going on.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                exit(errno == EPIPE ? 0 : 1)
            }
            bytes = bytes.dropFirst(count)
        }
    }
}

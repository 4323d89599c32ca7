// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Why a call to the agent had no good reply.
package enum AgentError: Error, Hashable, Sendable, CustomStringConvertible {
    /// There is no socket, or nobody listens behind it: the agent is not running.
    case away(socket: String, errno: Int32)
    /// The socket can't be used by this process, whether the agent runs or not.
    case refused(socket: String, errno: Int32)
    /// The agent took too long. Whether it did what was asked is unknown.
    case timedOut(request: String)
    /// The connection ended before the reply did. Whether the agent did what was asked is unknown.
    case disconnected(request: String)
    /// The reply is not what this API says.
    case malformed(request: String, detail: String)
    /// The agent's own answer: no.
    case api(status: Int, error: APIError)

    /// The same call may succeed later without anybody changing anything.
    package var isRetryable: Bool {
        switch self {
        case .away, .timedOut, .disconnected: true
        case .refused, .malformed: false
        case .api(_, let error): error.retryable
        }
    }

    /// The agent said nothing, so it may not know of the request.
    package var isSilence: Bool {
        if case .api = self { false } else { true }
    }

    package var description: String {
        switch self {
        case .away(let socket, let errno):
            "the agent is not running (\(socket): \(Self.text(errno)))"
        case .refused(let socket, let errno):
            "the agent's socket can't be used (\(socket): \(Self.text(errno)))"
        case .timedOut(let request):
            "the agent did not answer in time (\(request))"
        case .disconnected(let request):
            "the agent closed the connection (\(request))"
        case .malformed(let request, let detail):
            "the agent's reply can't be read (\(request)): \(detail)"
        case .api(_, let error):
            error.description
        }
    }

    private static func text(_ errno: Int32) -> String {
        guard let text = unsafe strerror(errno) else { return "errno \(errno)" }
        return unsafe String(cString: text)
    }
}

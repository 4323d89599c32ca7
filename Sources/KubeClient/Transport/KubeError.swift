// SPDX-License-Identifier: Apache-2.0

/// Why a call of the API did not succeed.
package struct KubeError: Error, Hashable, Sendable {
    package enum Cause: Hashable, Sendable {
        /// The server answered, and refused.
        case status(KubeStatus)
        /// No server could be reached: nothing was sent. One line for each server that was tried.
        case unreachable([String])
        /// The connection broke after the request may have been sent: whether it took effect is not known.
        case interrupted(String)
        case timedOut(Duration)
        /// Not what the API promises.
        case badResponse(String)
        /// There are no credentials to send.
        case credentials(String)
    }

    package let cause: Cause
    /// "GET /api/v1/pods", without the query.
    package let request: String

    package init(_ cause: Cause, request: String) {
        self.cause = cause
        self.request = request
    }

    /// What the server answered, if it did.
    package var status: KubeStatus? {
        guard case .status(let status) = cause else { return nil }
        return status
    }

    package var isNotFound: Bool { status?.code == 404 }
    package var isUnauthorized: Bool { status?.code == 401 }
    package var isForbidden: Bool { status?.code == 403 }
    /// A create that came too late: the name is taken.
    package var isAlreadyExists: Bool { status?.code == 409 && status?.reason == .alreadyExists }
    /// The object changed in between, or another field manager owns a field.
    package var isConflict: Bool { status?.code == 409 && !isAlreadyExists }
    package var isGone: Bool { status?.isGone ?? false }
}

extension KubeError: CustomStringConvertible {
    package var description: String {
        switch cause {
        case .status(let status): "\(request): \(status)"
        case .unreachable(let servers): "\(request): no API server can be reached (\(servers.joined(separator: "; ")))"
        case .interrupted(let what): "\(request): the connection broke: \(what)"
        case .timedOut(let limit): "\(request): no answer for \(limit)"
        case .badResponse(let what): "\(request): unexpected answer: \(what)"
        case .credentials(let what): "\(request): no credentials: \(what)"
        }
    }
}

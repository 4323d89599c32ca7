// SPDX-License-Identifier: Apache-2.0
import AsyncHTTPClient
import Glibc
import NIOCore
import NIOPosix
import NIOSSL

/// What an error of the HTTP client means for the request.
struct TransportProblem {
    let cause: KubeError.Cause
    /// Nothing of the request was sent.
    let isBeforeRequest: Bool
    let text: String

    init(_ error: any Error, timeout: Duration) {
        text = Self.text(error)
        switch error {
        case let error as HTTPClientError where error == .deadlineExceeded:
            cause = .timedOut(timeout)
            isBeforeRequest = false
        case let error as HTTPClientError where Self.beforeRequest.contains(error):
            cause = .unreachable([text])
            isBeforeRequest = true
        case is NIOConnectionError, is NIOSSLExtraError, ChannelError.connectTimeout:
            cause = .unreachable([text])
            isBeforeRequest = true
        case let error as IOError where Self.unreachable.contains(error.errnoCode):
            cause = .unreachable([text])
            isBeforeRequest = true
        case let error as NIOSSLError:
            if case .handshakeFailed = error {
                cause = .unreachable([text])
                isBeforeRequest = true
            } else {
                cause = .interrupted(text)
                isBeforeRequest = false
            }
        default:
            cause = .interrupted(text)
            isBeforeRequest = false
        }
    }

    private static let beforeRequest: [HTTPClientError] = [
        .connectTimeout, .tlsHandshakeTimeout, .getConnectionFromPoolTimeout,
    ]
    private static let unreachable: Set<CInt> = [ECONNREFUSED, EHOSTUNREACH, ENETUNREACH, EHOSTDOWN, ENETDOWN]

    /// The innermost that says something: NIO wraps the errors of each address that it tried.
    private static func text(_ error: any Error) -> String {
        switch error {
        case let error as HTTPClientError: error.shortDescription
        case let error as NIOConnectionError:
            error.connectionErrors.map { "\($0.error)" }.first ?? error.dnsAError.map { "\($0)" } ?? "\(error)"
        default: "\(error)"
        }
    }
}

extension TimeAmount {
    init(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        self = .seconds(seconds) + .nanoseconds(attoseconds / 1_000_000_000)
    }
}

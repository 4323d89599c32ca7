// SPDX-License-Identifier: Apache-2.0
import AgentIPC

/// An error as the CNI specification has it, section 5 "Error".
package struct CNIError: Error, Hashable, Sendable {
    /// Below 100: the specification's. From 100: this plugin's.
    package enum Code: Int, Sendable {
        case incompatibleVersion = 1
        case unsupportedField = 2
        /// The runtime need not call DEL after this one.
        case unknownContainer = 3
        case invalidEnvironment = 4
        case ioFailure = 5
        case decodingFailure = 6
        case invalidConfiguration = 7
        case tryAgainLater = 11
        case notAvailable = 50
        case limitedConnectivity = 51

        /// The agent refused, and would again: no address left, for example.
        case refusedByAgent = 100
        /// The kernel refused to make or change the pod's network.
        case wiringFailed = 101
        /// The container has an interface of this name, and it is not a leftover of this plugin.
        case interfaceExists = 102
        /// CHECK found something other than ADD had made.
        case checkFailed = 103
    }

    package let code: Code
    /// One line, complete.
    package let message: String
    /// More of it; may be empty.
    package var details: String

    init(_ code: Code, _ message: String, details: String = "") {
        self.code = code
        self.message = message
        self.details = details
    }

    /// A call to the agent that failed.
    init(_ error: AgentError) {
        switch error {
        case .api(_, let error):
            self.init(
                error.retryable ? .tryAgainLater : .refusedByAgent, error.message, details: "agent: \(error.code)")
        case .away, .timedOut, .disconnected:
            self.init(.tryAgainLater, error.description)
        case .refused:
            self.init(.ioFailure, error.description)
        case .malformed:
            self.init(.decodingFailure, error.description)
        }
    }

    init(_ error: WiringError) {
        let code: Code =
            switch error.kind {
            case .noNamespace: .unknownContainer
            case .notANamespace: .invalidEnvironment
            case .interfaceExists: .interfaceExists
            case .failed: .wiringFailed
            }
        self.init(code, error.description)
    }

    /// What is printed on standard output.
    func text(version: CNIVersion) -> String {
        let error: JSONObject = [
            "cniVersion": version.rawValue.json,
            "code": code.rawValue.json,
            "details": details.isEmpty ? nil : details.json,
            "msg": message.json,
        ]
        return JSONValue.object(error).text
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentIPC

/// The CNI plugin: one call of the runtime, from environment and standard input to standard output and exit code.
package struct Plugin {
    /// How long the agent may take. Connecting to an agent that is not running fails at once.
    package struct Timeouts: Sendable {
        /// For ADD, until addresses are handed out.
        package var reserve = AddPatience.reserve
        /// For ADD, until programs are attached and the policy is in the kernel.
        package var attach = AddPatience.attach
        /// For giving back what a failed ADD had reserved.
        package var rollback = Duration.seconds(1)
        /// For DEL and CHECK.
        package var request = Duration.seconds(5)
        /// For GC.
        package var garbage = Duration.seconds(30)
        /// For STATUS.
        package var status = Duration.milliseconds(900)

        package init() {}
    }

    /// What the runtime gets.
    package struct Outcome: Hashable, Sendable {
        /// 0 or 1.
        package let exitCode: Int32
        /// A result, an error, or nothing. JSON, on one line.
        package let output: String
    }

    let wiring: any PodWiring
    let timeouts: Timeouts
    /// Names this call to the agent.
    let attempt: String

    /// - Parameter attempt: no other call's, and after those of earlier calls in the order of texts; nil: from the time
    ///   since boot, and chance.
    package init(wiring: any PodWiring, timeouts: Timeouts = Timeouts(), attempt: String? = nil) {
        self.wiring = wiring
        self.timeouts = timeouts
        self.attempt = attempt ?? AddAttempt.name()
    }

    /// Does what the environment's CNI_COMMAND says. Never throws: an error is an outcome.
    ///
    /// - Parameters:
    ///   - environment: the value of a variable, nil when it is not set.
    ///   - input: reads standard input to its end; called once, after the environment was found to be right.
    package func run(environment: (String) -> String?, input: () throws -> [UInt8]) -> Outcome {
        var version = CNIVersion.newest
        do throws(CNIError) {
            let invocation = try Invocation(environment: environment)
            let document = try Self.read(input, for: invocation.command)
            version = Self.version(of: document) ?? version
            return Outcome(exitCode: 0, output: try run(invocation, document))
        } catch {
            return Outcome(exitCode: 1, output: error.text(version: version))
        }
    }

    private func run(_ invocation: Invocation, _ document: JSONValue) throws(CNIError) -> String {
        if invocation.command == .version { return try versions(document) }
        let configuration = try NetworkConfiguration(document, for: invocation.command)
        switch invocation.command {
        case .add: return try add(invocation, configuration)
        case .delete: try delete(invocation, configuration)
        case .check: try check(invocation, configuration)
        case .garbageCollect: try collectGarbage(configuration)
        case .status: try status(configuration)
        case .version: break
        }
        return ""
    }

    /// Standard input as JSON. VERSION alone may come without.
    private static func read(_ input: () throws -> [UInt8], for command: CNICommand) throws(CNIError) -> JSONValue {
        let bytes: [UInt8]
        do {
            bytes = try input()
        } catch {
            throw CNIError(.ioFailure, "standard input can't be read", details: "\(error)")
        }
        if command == .version, bytes.allSatisfy({ $0 <= UInt8(ascii: " ") }) { return .object([:]) }
        do throws(JSONError) {
            return try JSONValue(parsing: bytes)
        } catch {
            throw command == .version ? Self.unreadable(error) : NetworkConfiguration.unreadable(error)
        }
    }

    private static func unreadable(_ error: JSONError) -> CNIError {
        CNIError(.decodingFailure, "the input can't be decoded", details: error.description)
    }

    /// For the error that is printed: nil when the configuration names none that is known.
    private static func version(of document: JSONValue) -> CNIVersion? {
        guard case .object(let object) = document, case .string(let text)? = object["cniVersion"] else { return nil }
        return CNIVersion(rawValue: text)
    }

    /// VERSION. It answers for any cniVersion, and repeats it.
    private func versions(_ document: JSONValue) throws(CNIError) -> String {
        let version: String?
        do throws(JSONError) {
            version = try document.object.optional("cniVersion")
        } catch {
            throw Self.unreadable(error)
        }
        let answer: JSONObject = [
            "cniVersion": (version ?? CNIVersion.newest.rawValue).json,
            "supportedVersions": CNIVersion.allCases.map(\.rawValue).json,
        ]
        return JSONValue.object(answer).text
    }
}

/// Runs a call to the agent, turning its error into the runtime's.
func asking<Result>(_ body: () throws(AgentError) -> Result) throws(CNIError) -> Result {
    do throws(AgentError) { return try body() } catch { throw CNIError(error) }
}

/// Runs a step in the kernel, turning its error into the runtime's.
func wired<Result>(_ body: () throws(WiringError) -> Result) throws(CNIError) -> Result {
    do throws(WiringError) { return try body() } catch { throw CNIError(error) }
}

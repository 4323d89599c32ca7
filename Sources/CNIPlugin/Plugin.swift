// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import FoundationEssentials

/// The CNI plugin: one call of the runtime, from environment and standard input to standard output and exit code.
package struct Plugin {
    /// How long the agent may take. Connecting to an agent that is not running fails at once.
    package struct Timeouts: Sendable {
        /// For ADD, until addresses are handed out. Behind many others on a busy node that may take its time; an agent that
        /// is away is known at once.
        package var reserve = Duration.seconds(5)
        /// For ADD, until programs are attached and the policy is in the kernel.
        package var attach = Duration.seconds(10)
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

    package init(wiring: any PodWiring, timeouts: Timeouts = Timeouts()) {
        self.wiring = wiring
        self.timeouts = timeouts
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
            let bytes = try Self.read(input)
            version = Self.version(of: bytes) ?? version
            return Outcome(exitCode: 0, output: try run(invocation, bytes))
        } catch {
            return Outcome(exitCode: 1, output: error.text(version: version))
        }
    }

    private func run(_ invocation: Invocation, _ input: [UInt8]) throws(CNIError) -> String {
        if invocation.command == .version { return try versions(input) }
        let configuration = try NetworkConfiguration(decoding: input, for: invocation.command)
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

    private static func read(_ input: () throws -> [UInt8]) throws(CNIError) -> [UInt8] {
        do {
            return try input()
        } catch {
            throw CNIError(.ioFailure, "standard input can't be read", details: "\(error)")
        }
    }

    /// What the versions have in common.
    private struct Versioned: Codable {
        var cniVersion: String?
        var supportedVersions: [String]?
    }

    /// For the error that is printed: nil when the configuration names none that is known.
    private static func version(of input: [UInt8]) -> CNIVersion? {
        let head = try? JSONDecoder().decode(Versioned.self, from: Data(input))
        return head?.cniVersion.flatMap { CNIVersion(rawValue: $0) }
    }

    /// VERSION. It answers for any cniVersion, and repeats it.
    private func versions(_ input: [UInt8]) throws(CNIError) -> String {
        var result = Versioned()
        if input.contains(where: { $0 > UInt8(ascii: " ") }) {
            do {
                result = try JSONDecoder().decode(Versioned.self, from: Data(input))
            } catch {
                throw CNIError(.decodingFailure, "the input can't be decoded", details: JSONText.describe(error))
            }
        }
        result.cniVersion = result.cniVersion ?? CNIVersion.newest.rawValue
        result.supportedVersions = CNIVersion.allCases.map(\.rawValue)
        return try Self.text(result)
    }

    static func text(_ value: some Encodable) throws(CNIError) -> String {
        do {
            return String(decoding: try JSONText.encode(value), as: UTF8.self)
        } catch {
            throw CNIError(.ioFailure, "the result can't be encoded", details: "\(error)")
        }
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

// SPDX-License-Identifier: Apache-2.0
import Subprocess
import SystemPackage

extension ExecPlugin {
    /// Longer than a person who was asked something would wait; nobody can be asked here.
    static let timeLimit = Duration.seconds(60)
    private static let outputLimit = 1 << 20

    /// Starts it and reads what it prints. It is ended after ``timeLimit``.
    func run() async throws -> Credential {
        let information = try information()
        var updates: [Environment.Key: String?] = ["KUBERNETES_EXEC_INFO": information]
        for variable in environment {
            guard let key = Environment.Key(rawValue: variable.name) else {
                throw CredentialError("\(origin).env: \"\(variable.name)\" is not a variable's name")
            }
            updates[key] = variable.value
        }
        let executable: Executable = command.contains("/") ? .path(FilePath(command)) : .name(command)
        let configuration = Subprocess.Configuration(
            executable: executable, arguments: Arguments(arguments), environment: .inherit.updating(updates))
        let output: (status: TerminationStatus, out: [UInt8], error: String)
        do {
            output = try await withTimeLimit(Self.timeLimit) {
                let result = try await Subprocess.run(
                    configuration, input: .none, output: .bytes(limit: Self.outputLimit),
                    error: .string(limit: Self.outputLimit))
                return (result.terminationStatus, result.standardOutput, result.standardError)
            }
        } catch is CancellationError {
            throw CancellationError()
        } catch let error as TimeLimitExceeded {
            throw CredentialError("\(origin): \(command) did not end within \(error.limit)")
        } catch {
            let hint = installHint.map { "; \($0)" } ?? ""
            throw CredentialError("\(origin): \(command) can't be started: \(error)\(hint)")
        }
        guard output.status.isSuccess else {
            let said = output.error.trimmingSpaces.suffix(400)
            throw CredentialError("\(origin): \(command) failed (\(output.status))\(said.isEmpty ? "" : ": \(said)")")
        }
        return try Credential(execOutput: output.out, of: self)
    }
}

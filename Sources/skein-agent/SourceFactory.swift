// SPDX-License-Identifier: Apache-2.0
import AgentCore
import ArgumentParser
import Logging

/// Makes what the agent is told by.
enum SourceFactory {
    static func make(_ choice: SourceChoice, _ directory: RunDirectory, logger: Logger) throws -> AgentSource {
        switch choice {
        case .folder(let path): AgentSource.folder(path, directory, logger: logger)
        case .cluster: throw ValidationError("this agent was built without a cluster's source")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentAPI
import AgentIPC
import ArgumentParser
import Glibc

/// Waits for the agent.
struct Ready: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Wait until an agent serves ADD.")

    @Option(help: "The agent's API.") var socket: String
    @Option(help: "Fail after so many seconds.") var timeout = 120

    func run() throws {
        let deadline = ContinuousClock.now + .seconds(timeout)
        let client = AgentClient(socket: socket)
        while true {
            // It answers nobody before it is ready.
            if let status = try? client.status(by: .after(.seconds(5))), status.ready { return }
            guard ContinuousClock.now < deadline else { throw ValidationError("not ready after \(timeout) s") }
            usleep(5_000)
        }
    }
}

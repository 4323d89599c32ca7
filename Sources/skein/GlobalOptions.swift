// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import ArgumentParser

enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
}

/// What every subcommand takes.
struct GlobalOptions: ParsableArguments {
    @Option(help: ArgumentHelp("The agent's Unix socket.", valueName: "path"))
    var socket = AgentClient.defaultSocket

    @Option(name: [.short, .long], help: "table, for a person, or json, for a program.")
    var output = OutputFormat.table

    /// Asks the agent. What goes wrong is said on standard error; then an exit code is thrown.
    func ask<Reply>(_ body: (AgentClient) throws -> Reply) throws -> Reply {
        do {
            return try body(AgentClient(socket: socket))
        } catch let error as AgentError {
            throw Output.failure(error, socket: socket)
        }
    }

    /// Prints a reply: as JSON, or what `table` makes of it.
    func show<Reply: Encodable>(_ reply: Reply, table: (Reply) -> String) throws {
        switch output {
        case .json: try Output.json(reply)
        case .table: Output.line(table(reply))
        }
    }
}

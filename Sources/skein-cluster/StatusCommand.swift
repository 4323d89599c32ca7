// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterScope
import ProgramOptions

struct StatusCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "status", abstract: "How Skein is on all nodes.")

    @OptionGroup var cluster: ClusterOptions

    @Flag(help: "Wait until all is well.")
    var wait = false

    @Option(help: ArgumentHelp("How long to wait.", valueName: "time"), transform: parseTime)
    var timeout: Duration = .seconds(300)

    @Option(name: [.short, .long], help: "table, for a person, or json, for a program.")
    var output = OutputFormat.table

    func run() async throws {
        let deadline: ContinuousClock.Instant? = wait ? .now + timeout : nil
        let status = try await cluster.withClient { client in
            try await ClusterStatus.read(client, namespace: cluster.skeinNamespace, until: deadline)
        }
        switch output {
        case .json: try Output.json(status)
        case .table: Output.line(status.page)
        }
        if !status.well { throw ExitCode.failure }
    }
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import ClusterScope
import Glibc
import ProgramOptions
import UnixSignals

struct ConnectivityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connectivity", abstract: "Whether pods reach what they should, and nothing else.",
        subcommands: [Test.self])

    struct Test: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make pods and policies, and look who gets through.",
            discussion: """
                Makes the namespaces NAME and NAME-other, pods on two nodes (if there are), and one scenario's policies \
                after the other; deletes all of it at the end, also when it is interrupted. The image needs bash, curl \
                7.68 or newer, ping, and /agnhost, as Kubernetes' own agnhost has them.
                """)

        @OptionGroup var cluster: ClusterOptions

        @Option(name: .customLong("namespace"), help: ArgumentHelp("Its own; made and deleted.", valueName: "name"))
        var namespace = ConnectivitySettings().namespace

        @Option(help: ArgumentHelp("What the pods run.", valueName: "image"))
        var image = ConnectivitySettings.defaultImage

        @Option(
            help: ArgumentHelp(
                "Outside of the cluster, speaks HTTP or HTTPS; may be repeated. Without it, scenarios with it are skipped.",
                valueName: "address[:port]"),
            transform: parseOutside)
        var world: [OutsideAddress] = []

        @Option(help: ArgumentHelp("A TCP port that nodes listen on and that speaks HTTP or HTTPS.", valueName: "port"))
        var nodePort: UInt16 = ConnectivitySettings().nodePort

        @Option(name: .customLong("test"), help: ArgumentHelp("Scenarios whose names match.", valueName: "regex"))
        var filter: String?

        @Option(
            help: ArgumentHelp("How long a scenario may take to be as expected.", valueName: "time"),
            transform: parseTime)
        var timeout = ConnectivitySettings().timeout

        @Option(
            help: ArgumentHelp("How long the pods may take to be ready, and to be gone.", valueName: "time"),
            transform: parseTime)
        var podTimeout = ConnectivitySettings().podTimeout

        @Flag(help: "Stop at the first failure, and delete nothing.")
        var keep = false

        @Flag(help: "Only show the scenarios.")
        var list = false

        @Option(name: [.short, .long], help: "table, for a person, or json, for a program.")
        var output = OutputFormat.table

        func run() async throws {
            let scenarios = try chosen()
            if list {
                let width = scenarios.reduce(0) { max($0, $1.name.count) }
                for scenario in scenarios {
                    let padding = String(repeating: " ", count: width - scenario.name.count)
                    Output.line("\(scenario.name)\(padding)  \(scenario.about)")
                }
                return
            }
            let report = try await cluster.withClient { client in
                let test = ConnectivityTest(client, settings: settings, scenarios: scenarios, say: progress)
                return try await untilInterrupted { await test.run() }
            }
            switch output {
            case .json: try Output.json(report)
            case .table: Output.line(report.summary)
            }
            if !report.isSuccess { throw ExitCode.failure }
        }

        private func chosen() throws -> [Scenario] {
            guard let filter else { return Scenario.all }
            guard let regex = try? Regex(filter) else {
                throw ValidationError("\"\(filter)\" is no regular expression")
            }
            let scenarios = Scenario.all.filter { $0.name.contains(regex) }
            guard !scenarios.isEmpty else { throw ValidationError("no scenario matches \"\(filter)\"; see --list") }
            return scenarios
        }

        private var settings: ConnectivitySettings {
            var settings = ConnectivitySettings()
            settings.namespace = namespace
            settings.image = image
            settings.world = world
            settings.nodePort = nodePort
            settings.timeout = timeout
            settings.podTimeout = podTimeout
            settings.keeps = keep
            return settings
        }

        /// Standard output is the report's if a program reads it.
        private var progress: @Sendable (String) -> Void {
            switch output {
            case .json: { Output.note($0) }
            case .table: { Output.line($0) }
            }
        }
    }
}

private func parseOutside(_ text: String) throws -> OutsideAddress {
    guard let address = OutsideAddress(text) else {
        throw ValidationError("\"\(text)\" is not an address, address:port or [address]:port")
    }
    return address
}

/// Cancels `body` at the first SIGINT or SIGTERM and waits for it; the second one ends the program at once.
func untilInterrupted<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value) async throws -> Value {
    let signals = await UnixSignalsSequence(trapping: .sigint, .sigterm)
    let work = Task { try await body() }
    let listener = Task {
        var count = 0
        for await _ in signals {
            count += 1
            guard count == 1 else { Glibc.exit(130) }
            Output.note("interrupted; once more to leave everything as it is")
            work.cancel()
        }
    }
    defer { listener.cancel() }
    return try await work.value
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import KubeClient
import LineLogging
import Logging

/// `make e2e-scale`: one agent in a large cluster. `deploy/e2e/scale.sh` calls it.
@main
struct Scale: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skein-scale", abstract: "Measures an agent in a large cluster.",
        subcommands: [Fill.self, Measure.self])
}

/// The API server to talk to.
struct Connection: ParsableArguments {
    @Option(help: "The kubeconfig file of an administrator.") var kubeconfig: String

    func withClient<Value>(_ body: (APIClient) async throws -> Value) async throws -> Value {
        var logger = Logger(label: "skein-scale") { _ in LineLogHandler(format: .text, logLevel: .warning) }
        logger.logLevel = .warning
        return try await APIClient.with(
            try ClusterConfiguration.find(kubeconfig: kubeconfig, environment: [:]),
            options: ClientOptions(version: "scale"), logger: logger, body)
    }
}

/// For people: tenths of seconds.
struct Seconds: CustomStringConvertible {
    let value: Double

    init(_ duration: Duration) {
        value = Double(duration.components.seconds) + Double(duration.components.attoseconds) / 1e18
    }

    var milliseconds: Double { value * 1e3 }

    var description: String { "\((value * 10).rounded() / 10) s" }
}

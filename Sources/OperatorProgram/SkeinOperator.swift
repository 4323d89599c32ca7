// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import KubeClient
import LineLogging
import Logging
import OperatorCore
import ServiceLifecycle
import UnixSignals

/// skein-operator, which is a name of skein-agent's program.
package enum OperatorProgram {
    /// What its file is called.
    package static let name = "skein-operator"

    /// Reads the process's arguments, and operates until it is told to stop; does not come back after an error.
    package static func main() async {
        await SkeinOperator.main()
    }
}

struct SkeinOperator: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: OperatorProgram.name,
        abstract: "Does what a cluster needs once: CRDs, pod ranges of nodes, clean-up.",
        discussion: """
            Any number of them may run; one leads. Exit codes: 0 stopped; 1 it could not start or go on, standard error \
            says why; 64 wrong usage.
            """,
        version: version)

    @OptionGroup(title: "Cluster") var cluster: ClusterOptions
    @OptionGroup(title: "Work") var work: WorkOptions
    @OptionGroup(title: "Pod ranges") var ipam: IPAMOptions
    @OptionGroup(title: "Output") var output: OutputOptions

    func run() async throws {
        // A reader of the log that goes away is no reason to die.
        signal(SIGPIPE, SIG_IGN)
        do {
            try await operate()
        } catch {
            let line = Array("skein-operator: \(error)\n".utf8)
            _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
            throw ExitCode.failure
        }
    }

    private func operate() async throws {
        let level = Logger.Level(rawValue: output.logLevel.rawValue) ?? .notice
        let format: LineLogHandler.Format = output.logFormat == .json ? .json : .text
        let logger = Logger(label: "skein-operator") { _ in LineLogHandler(format: format, logLevel: level) }
        let environment = Self.environment()
        let configuration = try ClusterConfiguration.find(
            kubeconfig: cluster.kubeconfig, context: cluster.context, environment: environment)
        let settings = try settings(namespace: configuration.namespace, host: environment["HOSTNAME"] ?? "operator")
        var options = ClientOptions(version: Self.version)
        options.userAgent = "skein-operator/\(Self.version)"
        try await APIClient.with(configuration, options: options, logger: logger) { client in
            let health = Health()
            let service = try OperatorService(client, settings: settings, health: health, logger: logger)
            var services: [any Service] = [service]
            if !output.healthAddress.host.isEmpty {
                let (host, port) = (output.healthAddress.host, output.healthAddress.port)
                services.append(HealthServer(health, host: host, port: port, logger: logger))
            }
            let group = ServiceGroup(
                configuration: .init(
                    services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await group.run()
        }
    }

    private func settings(namespace: String, host: String) throws -> OperatorSettings {
        // Another one after a restart, also with the same host name.
        let identity = "\(host)_\(String(UInt64.random(in: .min ... .max), radix: 16))"
        var election = LeaderElectionSettings(identity: identity)
        election.leaseDuration = cluster.leaseDuration
        election.renewDeadline = cluster.renewDeadline
        let lease = ObjectKey(namespace: cluster.leaseNamespace ?? namespace, name: cluster.leaseName)
        var settings = OperatorSettings(lease: lease, election: election)
        if !work.noCRDs { settings.definitions = try Definition.load(folder: work.crdDir) }
        settings.identityGrace = work.identityGrace
        settings.nodeGrace = work.nodeGrace
        if ipam.ipam == .clusterPool {
            var ranges = PodRangeSettings()
            (ranges.ipv4, ranges.ipv4Length) = (ipam.ipv4, ipam.ipv4Length)
            (ranges.ipv6, ranges.ipv6Length) = (ipam.ipv6, ipam.ipv6Length)
            ranges.minimumFree = ipam.minimumFree
            settings.podRanges = ranges
        }
        return settings
    }

    private static func environment() -> [String: String] {
        var result: [String: String] = [:]
        for name in ["KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "HOME", "HOSTNAME"] {
            if let value = unsafe getenv(name) { result[name] = unsafe String(cString: value) }
        }
        return result
    }
}

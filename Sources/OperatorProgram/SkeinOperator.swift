// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import KubeClient
import OperatorCore
import ProgramOptions
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

    @OptionGroup(title: "Cluster") var cluster: KubeconfigOptions
    @OptionGroup(title: "Lease") var lease: LeaseOptions
    @OptionGroup(title: "Work") var work: WorkOptions
    @OptionGroup(title: "Pod ranges") var ipam: IPAMOptions
    @OptionGroup(title: "Health") var health: HealthOptions
    @OptionGroup(title: "Logging") var logging: LogOptions

    func run() async throws {
        // A reader of the log that goes away is no reason to die.
        signal(SIGPIPE, SIG_IGN)
        do {
            try await operate()
        } catch {
            sayLastWord(of: OperatorProgram.name, error)
            throw ExitCode.failure
        }
    }

    private func operate() async throws {
        let logger = logging.logger(for: OperatorProgram.name)
        let configuration = try cluster.find()
        let settings = try settings(namespace: configuration.namespace)
        var options = ClientOptions(version: Self.version)
        options.userAgent = "\(OperatorProgram.name)/\(Self.version)"
        try await APIClient.with(configuration, options: options, logger: logger) { client in
            let health = Health()
            let service = try OperatorService(client, settings: settings, health: health, logger: logger)
            var services: [any Service] = [service]
            if !self.health.healthAddress.host.isEmpty {
                let (host, port) = (self.health.healthAddress.host, self.health.healthAddress.port)
                services.append(HealthServer(health, host: host, port: port, logger: logger))
            }
            let group = ServiceGroup(
                configuration: .init(
                    services: services, gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await group.run()
        }
    }

    private func settings(namespace: String) throws -> OperatorSettings {
        // Another one after a restart, also with the same host name.
        let host = unsafe getenv("HOSTNAME").map { unsafe String(cString: $0) } ?? "operator"
        let identity = "\(host)_\(String(UInt64.random(in: .min ... .max), radix: 16))"
        var election = LeaderElectionSettings(identity: identity)
        election.leaseDuration = lease.leaseDuration
        election.renewDeadline = lease.renewDeadline
        let shared = ObjectKey(namespace: lease.leaseNamespace ?? namespace, name: lease.leaseName)
        var settings = OperatorSettings(lease: shared, election: election)
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
}

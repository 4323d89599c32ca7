// SPDX-License-Identifier: Apache-2.0
import AgentCore
import ClusterSync
import KubeClient
import Logging
import Model
import ProgramOptions

/// Makes what the agent is told by.
enum SourceFactory {
    static func make(_ choice: SourceChoice, _ directory: RunDirectory, logger: Logger) throws -> AgentSource {
        switch choice {
        case .folder(let path): AgentSource.folder(path, directory, logger: logger)
        case .cluster(let cluster): try make(cluster, directory, logger: logger)
        }
    }

    /// The client is never shut down: it is needed until the last service has ended, and then the process does.
    private static func make(
        _ cluster: SourceChoice.Cluster, _ directory: RunDirectory, logger: Logger
    ) throws -> AgentSource {
        let configuration = try configuration(cluster.credentials)
        let client = try APIClient(
            configuration, options: ClientOptions(version: SkeinAgent.version), logger: logger)
        let settings = ClusterSettings(
            nodeName: cluster.nodeName, copiesPodCIDRs: cluster.podRanges == .kubernetes,
            cacheDirectory: directory.cluster)
        let connection = ClusterConnection(client, settings: settings, logger: logger)
        let server = configuration.servers.map(\.description).joined(separator: ", ")
        var reports = SourceReports()
        reports.cluster = {
            let outage = client.outage
            return ClusterReport(
                server: server, awaySince: outage?.since, problem: outage?.problem,
                refused: connection.source.refusals)
        }
        return AgentSource(
            resources: connection.source, reports: reports, directory: connection.directory,
            readiness: connection.directory, services: [connection.directory])
    }

    private static func configuration(_ credentials: SourceChoice.Credentials) throws -> ClusterConfiguration {
        let environment = ClusterEnvironment.current()
        return switch credentials {
        case .kubeconfig(let file): try ClusterConfiguration.find(kubeconfig: file, environment: environment)
        case .inCluster: try ClusterConfiguration.inCluster(environment: environment)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
package import Logging
import Manifests
package import Model
package import ServiceLifecycle

/// Where an agent's objects come from, and whom it asks and tells.
package struct AgentSource: Sendable {
    package var resources: any ResourceSource
    package var reports: SourceReports
    /// nil: identities have the numbers that follow from their labels, and nobody is told of anything.
    package var directory: (any ClusterDirectory)?
    /// nil: nobody is told that the node is ready.
    package var readiness: (any NodeReadiness)?
    /// What has to run beside `resources`, from before its first batch on.
    package var services: [any Service]

    package init(
        resources: any ResourceSource, reports: SourceReports = SourceReports(),
        directory: (any ClusterDirectory)? = nil, readiness: (any NodeReadiness)? = nil, services: [any Service] = []
    ) {
        self.resources = resources
        self.reports = reports
        self.directory = directory
        self.readiness = readiness
        self.services = services
    }

    /// A folder of manifests.
    package static func folder(_ path: String, _ directory: RunDirectory, logger: Logger) -> AgentSource {
        let manifests = ManifestSource(folder: path, lastGoodDirectory: directory.manifests, logger: logger)
        var reports = SourceReports()
        reports.manifests = { manifests.errors.map { ManifestErrorInfo($0) } }
        return AgentSource(resources: manifests, reports: reports)
    }
}

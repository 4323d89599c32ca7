// SPDX-License-Identifier: Apache-2.0
package import KubeClient
package import Logging

/// An agent's two halves of its cluster. Both have to run, at the same time, from the start.
package struct ClusterConnection: Sendable {
    package let source: ClusterSource
    package let directory: APIServerDirectory

    /// `client` stays its maker's to shut down, after both have ended. Nothing is asked before they run.
    package init(_ client: APIClient, settings: ClusterSettings, logger: Logger) {
        let store = ClusterStore(nodeName: settings.nodeName, logger: logger)
        source = ClusterSource(client, store, settings, logger: logger)
        directory = APIServerDirectory(client, store, settings, logger: logger)
    }
}

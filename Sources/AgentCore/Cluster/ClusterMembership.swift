// SPDX-License-Identifier: Apache-2.0
import AgentIPC
package import Model

/// What an agent needs to know as a member of a cluster.
package struct ClusterMembership: Sendable {
    /// Of this node, as its Node object is named.
    package var nodeName: String
    /// What of a pod's labels becomes its identity.
    package var labelFilter: IdentityLabelFilter
    /// How long each half of an ADD waits for what it has to know of its pod; not longer than ``longestPatience``.
    package var addPatience: Duration

    /// If none other is given.
    package static var standardPatience: Duration { AddPatience.standard }
    /// Beyond that the plugin would be gone before it hears the reason.
    package static var longestPatience: Duration { AddPatience.longest }

    package init(
        nodeName: String, labelFilter: IdentityLabelFilter = .standard,
        addPatience: Duration = ClusterMembership.standardPatience
    ) {
        self.nodeName = nodeName
        self.labelFilter = labelFilter
        self.addPatience = addPatience
    }
}

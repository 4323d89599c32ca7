// SPDX-License-Identifier: Apache-2.0
package import Model

/// What an agent needs to know as a member of a cluster.
package struct ClusterMembership: Sendable {
    /// Of this node, as its Node object is named.
    package var nodeName: String
    /// What of a pod's labels becomes its identity.
    package var labelFilter: IdentityLabelFilter
    /// How long each half of an ADD waits for what it has to know of its pod. The plugin's own patience is longer.
    package var addPatience: Duration

    package init(
        nodeName: String, labelFilter: IdentityLabelFilter = .standard, addPatience: Duration = .seconds(4)
    ) {
        self.nodeName = nodeName
        self.labelFilter = labelFilter
        self.addPatience = addPatience
    }
}

// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// How an agent follows its cluster.
package struct ClusterSettings: Sendable {
    /// As the Node object is named.
    package var nodeName: String
    /// The node's pod ranges are those of `Node.spec.podCIDRs` (IPAM mode `kubernetes`). False: the operator gives them.
    package var copiesPodCIDRs: Bool
    /// Where what is known of the cluster is kept for a start without an API server; made when needed, and for this
    /// alone. nil: nowhere.
    package var cacheDirectory: String?
    /// How long a start waits for the API server before it takes what was known last.
    package var patience: Duration = .seconds(10)
    /// The shortest time between two writes of what is known to disk.
    package var cacheInterval: Duration = .seconds(120)
    /// How often it is looked whether ClusterNetworkPolicies have come to be served, or are no longer.
    package var discoveryInterval: Duration = .seconds(60)
    /// The shortest time between two rounds of writes of this node's slices.
    package var sliceInterval: Duration = .milliseconds(250)
    /// Statuses of policies are written after a random wait, so that not all nodes do it at once: at most this for each
    /// node of the cluster, and never more than ``statusLimit``.
    package var statusSpread: Duration = .milliseconds(10)
    package var statusLimit: Duration = .seconds(30)
    /// After calls that failed.
    package var backoff = Backoff(base: .milliseconds(250), limit: .seconds(15))
    /// After writes that the API server took and does not show: before the same is written again.
    package var repeatBackoff = Backoff(base: .seconds(4), limit: .seconds(300))

    package init(nodeName: String, copiesPodCIDRs: Bool, cacheDirectory: String? = nil) {
        self.nodeName = nodeName
        self.copiesPodCIDRs = copiesPodCIDRs
        self.cacheDirectory = cacheDirectory
    }
}

// SPDX-License-Identifier: Apache-2.0
package import KubeClient

/// What the API says of a cluster with Skein, before it is judged.
package struct ClusterFacts: Hashable, Sendable {
    /// Names in the manifests and in the chart.
    package static let agentName = "skein-agent"
    package static let operatorName = "skein-operator"
    package static let nameLabel = "app.kubernetes.io/name"

    package struct Policy: Hashable, Sendable {
        package let kind: String
        package let object: ObservedPolicy

        package init(kind: String, object: ObservedPolicy) {
            self.kind = kind
            self.object = object
        }
    }

    /// "v1.20.2"
    package var serverVersion: String
    /// Where Skein's pods are.
    package var namespace: String
    package var nodes: [ObservedNode] = []
    /// Pods of the DaemonSet.
    package var agents: [ObservedPod] = []
    package var operators: [ObservedPod] = []
    /// nil: there is no such Deployment.
    package var operatorReplicas: Int?
    package var skeinNodes: [SkeinNode] = []
    /// By the node's name.
    package var endpoints: [String: Int] = [:]
    package var identities = 0
    package var networkPolicies = 0
    /// nil: the kind is not served.
    package var clusterNetworkPolicies: Int?
    /// Of Skein's own kinds.
    package var policies: [Policy] = []
    /// Kinds of Skein's that are not served.
    package var missingKinds: [String] = []

    package init(serverVersion: String, namespace: String) {
        self.serverVersion = serverVersion
        self.namespace = namespace
    }
}

// SPDX-License-Identifier: Apache-2.0

package import NetTypes

/// One object as it is now; nil: it is gone. The same change twice is one change.
package enum ResourceChange: Sendable {
    /// By name.
    case namespace(String, Namespace?)
    case pod(ObjectReference, Pod?)
    /// Only policies that pass `validate()` come through here, of this kind and the next.
    case networkPolicy(ObjectReference, NetworkPolicy?)
    /// Of both kinds, SkeinNetworkPolicy and SkeinClusterNetworkPolicy.
    case skeinNetworkPolicy(ObjectReference, SkeinNetworkPolicy?)
    case clusterNetworkPolicy(ObjectReference, ClusterNetworkPolicy?)
    /// By name; this node's own object too. Only sources that know a cluster tell this and what follows.
    case node(String, ClusterNode?)
    /// By number.
    case identity(IdentityNumber, SecurityLabels?)
    /// By the slice's name.
    case endpointSlice(String, EndpointSlice?)
    /// Under which the API servers are reached, all of them. Empty while none is known.
    case apiServers(Set<IPAddress>)
    /// The addresses of a Service that the node's stack translates to those of its endpoints.
    case service(ObjectReference, Set<IPAddress>?)
}

/// Where the objects come from: a folder of manifests, or an API server.
package protocol ResourceSource: Sendable {
    /// Batches that belong together. The first one is all there is, even if that is nothing. For one consumer.
    var changes: AsyncStream<[ResourceChange]> { get }

    /// Watches until cancelled; returning before that is a failure.
    func run() async throws
}

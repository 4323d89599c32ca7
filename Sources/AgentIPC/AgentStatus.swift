// SPDX-License-Identifier: Apache-2.0
package import NetTypes

/// `GET /v1/status`.
package struct AgentStatus: Hashable, Codable, Sendable {
    /// Of the agent.
    package var version: String
    package var pid: Int32
    /// Seconds since the agent started.
    package var uptime: Double
    /// Whether ADD would be served.
    package var ready: Bool
    /// Why not, in words; empty when ready.
    package var notReady: [String]
    /// Resident set of the agent, bytes.
    package var memory: UInt64?
    /// Folder that is watched; nil: the cluster is the source.
    package var manifests: String?
    /// nil: a folder is watched.
    package var cluster: ClusterInfo?
    package var nodeAddresses: [IPAddress]
    /// That pods get, bytes.
    package var mtu: UInt32
    package var podRanges: [PodRange]
    /// Of the datapath: odd and even select the live view of every endpoint.
    package var epoch: UInt32
    /// Number of endpoints by state.
    package var endpoints: [String: Int]
    /// How long their ADDs took; nil: no endpoint is ready whose ADD said it.
    package var adds: AddTimes?
    package var identities: Int
    /// Policy objects in force.
    package var policies: Int
    /// Kernel features and what stands in for those that are missing.
    package var features: [FeatureInfo]
    package var maps: [MapInfo]
    package var counters: DatapathCounters
    /// Documents, or objects of the cluster, that were refused; what was in force before them still is.
    package var manifestErrors: [ManifestError]
    package var denyLists: [DenyListInfo]
    /// Whether this agent took over the flows of an earlier one.
    package var adopted: Bool?

    package init(
        version: String, pid: Int32, uptime: Double, ready: Bool, notReady: [String] = [], memory: UInt64? = nil,
        manifests: String? = nil, cluster: ClusterInfo? = nil, nodeAddresses: [IPAddress], mtu: UInt32,
        podRanges: [PodRange], epoch: UInt32, endpoints: [String: Int], adds: AddTimes? = nil, identities: Int,
        policies: Int, features: [FeatureInfo], maps: [MapInfo], counters: DatapathCounters,
        manifestErrors: [ManifestError] = [], denyLists: [DenyListInfo] = [], adopted: Bool? = nil
    ) {
        self.version = version
        self.pid = pid
        self.uptime = uptime
        self.ready = ready
        self.notReady = notReady
        self.memory = memory
        self.manifests = manifests
        self.cluster = cluster
        self.nodeAddresses = nodeAddresses
        self.mtu = mtu
        self.podRanges = podRanges
        self.epoch = epoch
        self.endpoints = endpoints
        self.adds = adds
        self.identities = identities
        self.policies = policies
        self.features = features
        self.maps = maps
        self.counters = counters
        self.manifestErrors = manifestErrors
        self.denyLists = denyLists
        self.adopted = adopted
    }
}

/// How long ADD took for the endpoints that are ready, milliseconds.
package struct AddTimes: Hashable, Codable, Sendable {
    package var count: Int
    package var median: UInt32
    package var p99: UInt32
    package var longest: UInt32

    /// nil if there are none. Of n times in order, a percentile is the one at its part of n, rounded up.
    package init?(_ milliseconds: [UInt32]) {
        let sorted = milliseconds.sorted()
        guard let longest = sorted.last else { return nil }
        func percentile(_ part: Int) -> UInt32 { sorted[(sorted.count * part + 99) / 100 - 1] }
        self.count = sorted.count
        self.median = percentile(50)
        self.p99 = percentile(99)
        self.longest = longest
    }
}

/// How the node is as a member of a cluster.
package struct ClusterInfo: Hashable, Codable, Sendable {
    /// As its Node object is named.
    package var node: String
    /// The API server's URL.
    package var server: String
    /// Since when the API server does not answer, seconds since 1970; nil: it does.
    package var awaySince: Int64?
    /// Why it does not.
    package var problem: String?
    /// What the cluster has given this node to take pods' addresses from.
    package var podRanges: [Prefix]
    /// That are known, this one included.
    package var nodes: Int
    /// With a number, whoever has them.
    package var identities: Int
    /// Addresses of other nodes' pods.
    package var remoteAddresses: Int
    /// Addresses that are claimed without right, the first of them in words.
    package var wrongClaims: [String]

    package init(
        node: String, server: String, awaySince: Int64? = nil, problem: String? = nil, podRanges: [Prefix], nodes: Int,
        identities: Int, remoteAddresses: Int, wrongClaims: [String] = []
    ) {
        self.node = node
        self.server = server
        self.awaySince = awaySince
        self.problem = problem
        self.podRanges = podRanges
        self.nodes = nodes
        self.identities = identities
        self.remoteAddresses = remoteAddresses
        self.wrongClaims = wrongClaims
    }
}

/// A range that pod addresses come from.
package struct PodRange: Hashable, Codable, Sendable {
    package var prefix: Prefix
    /// Addresses that endpoints have.
    package var used: UInt64
    /// `UInt64.max` stands for that many or more.
    package var free: UInt64

    package init(prefix: Prefix, used: UInt64, free: UInt64) {
        self.prefix = prefix
        self.used = used
        self.free = free
    }
}

/// A feature of the kernel that the datapath would use.
package struct FeatureInfo: Hashable, Codable, Sendable {
    /// As "tcx".
    package var name: String
    package var available: Bool
    /// What is used instead, in words; nil when available.
    package var fallback: String?

    package init(name: String, available: Bool, fallback: String? = nil) {
        self.name = name
        self.available = available
        self.fallback = fallback
    }
}

/// A document, or an object of a cluster, that was not taken.
package struct ManifestError: Hashable, Codable, Sendable {
    /// Empty for an object of a cluster.
    package var file: String
    /// From 1.
    package var line: Int?
    /// As "NetworkPolicy default/web"; nil when not even that could be read.
    package var object: String?
    /// Path of the field, as "spec.ingress[0].ports[1].port".
    package var field: String?
    package var message: String

    package init(file: String, line: Int? = nil, object: String? = nil, field: String? = nil, message: String) {
        self.file = file
        self.line = line
        self.object = object
        self.field = field
        self.message = message
    }
}

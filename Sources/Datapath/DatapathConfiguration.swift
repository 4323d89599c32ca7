// SPDX-License-Identifier: Apache-2.0

/// How many entries each map is made for. Every one is a setting of the agent; the error for a full map names it.
package struct MapSizes: Hashable, Sendable {
    /// Connections. 168 bytes each, allocated at once.
    package var flows = 262_144
    /// Datagrams in fragments at one time.
    package var fragments = 8_192
    /// Pod and node addresses of the cluster.
    package var pods = 131_072
    /// Prefixes that rules name.
    package var cidrs = 65_536
    /// Kinds of peers; 8 bytes each, allocated at once.
    package var slots = 131_072
    /// (policy, class, direction) rows.
    package var policyRows = 262_144
    /// Port prefixes of rows that have more ports than fit inline.
    package var portEntries = 262_144
    /// Highest endpoint number plus one; at most 65,536.
    package var endpoints = 4_096
    /// Rules with a hit counter of their own; 8 bytes a CPU each, allocated at once.
    package var ruleHits = 65_536
    /// Prefixes of all deny lists.
    package var denySources = 262_144
    /// Other nodes that tunnels lead to; 16 bytes each, allocated at once.
    package var nodes = 8_192
    /// Identities of pods in the cluster.
    package var identities = 65_536
    /// Connections that are masqueraded. 128 bytes each, allocated at once where masquerading is on.
    package var nat = 131_072
    /// Prefixes that masquerading goes by: those of the cluster, its nodes, and this node's pods.
    package var natPrefixes = 65_536

    package init() {}

    /// Map name, setting and size. The setting is the agent's flag without its dashes.
    package var all: [(map: String, setting: String, size: Int)] {
        [
            ("flows", "map-flows", flows), ("flow_ring", "map-flows", flows), ("fragments", "map-fragments", fragments),
            ("pods", "map-pods", pods), ("cidrs", "map-cidrs", cidrs), ("classes", "map-slots", slots),
            ("policy", "map-policy-rows", policyRows), ("ports", "map-port-entries", portEntries),
            ("endpoints", "map-endpoints", endpoints), ("rule_hits", "map-rule-hits", ruleHits),
            ("deny_sources", "map-deny-sources", denySources), ("nodes", "map-nodes", nodes),
            ("identities", "map-identities", identities), ("nat", "map-nat", nat),
            ("nat_prefixes", "map-nat-prefixes", natPrefixes),
        ]
    }

    /// The setting that sizes a map, nil for maps of fixed size.
    package func setting(of map: String) -> (setting: String, size: Int)? {
        all.first { $0.map == map }.map { ($0.setting, $0.size) }
    }
}

/// The VXLAN device that takes its key from each packet, by which pods of other nodes are reached.
package struct OverlayDevice: Hashable, Sendable {
    package var name: String
    package var ifindex: UInt32
    /// UDP port of the tunnels.
    package var port: UInt16
    /// Nodes reach each other by IPv6.
    package var isIPv6: Bool

    package init(name: String, ifindex: UInt32, port: UInt16, isIPv6: Bool) {
        self.name = name
        self.ifindex = ifindex
        self.port = port
        self.isIPv6 = isIPv6
    }
}

/// What the datapath is made with. Fixed for the life of a `Datapath`.
package struct DatapathConfiguration: Hashable, Sendable {
    /// Folder in a mounted bpf file system for the pins, as `/sys/fs/bpf/skein`. Made when missing.
    package var pinDirectory: String
    /// Folder with `endpoint.bpf.o`, `node.bpf.o`, `overlay.bpf.o` and `xdp.bpf.o`.
    package var objectDirectory: String
    package var sizes = MapSizes()
    /// Events a CPU may report in a tick (about a second); 0 turns events off.
    package var eventsPerSecond: UInt32 = 1_000
    package var ipv4 = true
    package var ipv6 = true
    package var fragments = true
    /// Packets for the outside leave by route and neighbour lookup in BPF; false: by the host's stack.
    package var fib = true
    /// Tunnels to other nodes; nil: the host's routes lead to their pods.
    package var overlay: OverlayDevice?
    package var reportsNewFlows = true
    package var reportsDrops = true
    package var countsRuleHits = true
    /// False uses clsact filters even where the kernel has TCX links.
    package var tcx = true
    /// A file for `ExpeditedRCU`'s marker, on the file system of the agent's other state. Nil: attaching an endpoint takes
    /// as long as the kernel likes, some tens of milliseconds.
    package var rcuMarker: String?

    package init(pinDirectory: String, objectDirectory: String) {
        self.pinDirectory = pinDirectory
        self.objectDirectory = objectDirectory
    }
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NetTypes
import ProgramOptions

/// Who leads.
struct LeaseOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Where the lease is; the pod's own namespace if not given.", valueName: "namespace"))
    var leaseNamespace: String?

    @Option(help: ArgumentHelp("The lease that the replicas share.", valueName: "name"))
    var leaseName = "skein-operator"

    @Option(
        help: ArgumentHelp("How long the others wait for a leader that is silent.", valueName: "time"),
        transform: parseTime)
    var leaseDuration: Duration = .seconds(15)

    @Option(
        help: ArgumentHelp("After how long without an API server a leader gives up.", valueName: "time"),
        transform: parseTime)
    var renewDeadline: Duration = .seconds(10)
}

/// What is looked after.
struct WorkOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Folder of the CRDs that are installed and upgraded.", valueName: "folder"))
    var crdDir = "/usr/share/skein/crds"

    @Flag(name: .customLong("no-crds"), help: "Leave the CRDs to somebody else.")
    var noCRDs = false

    @Option(
        help: ArgumentHelp("How long an identity is unused before it is deleted.", valueName: "time"),
        transform: parseTime)
    var identityGrace: Duration = .seconds(900)

    @Option(
        help: ArgumentHelp("How long after its Node a SkeinNode is deleted.", valueName: "time"), transform: parseTime)
    var nodeGrace: Duration = .seconds(60)
}

enum IPAMMode: String, ExpressibleByArgument, CaseIterable {
    case kubernetes
    case clusterPool = "cluster-pool"
}

/// Where the nodes' pod ranges come from.
struct IPAMOptions: ParsableArguments {
    @Option(help: "kubernetes (agents take them from the Nodes) or cluster-pool (they are handed out here).")
    var ipam = IPAMMode.kubernetes

    @Option(
        name: .customLong("cluster-pool-ipv4-cidr"),
        help: ArgumentHelp("Range that nodes' IPv4 ranges are cut from; may be repeated.", valueName: "prefix"),
        transform: parsePrefix)
    var ipv4: [Prefix] = []

    @Option(
        name: .customLong("cluster-pool-ipv4-mask-size"),
        help: ArgumentHelp("Prefix length of a node's IPv4 range.", valueName: "length"))
    var ipv4Length = 24

    @Option(
        name: .customLong("cluster-pool-ipv6-cidr"),
        help: ArgumentHelp("Range that nodes' IPv6 ranges are cut from; may be repeated.", valueName: "prefix"),
        transform: parsePrefix)
    var ipv6: [Prefix] = []

    @Option(
        name: .customLong("cluster-pool-ipv6-mask-size"),
        help: ArgumentHelp("Prefix length of a node's IPv6 range.", valueName: "length"))
    var ipv6Length = 120

    @Option(
        name: .customLong("cluster-pool-minimum-free"),
        help: ArgumentHelp("A node with fewer free addresses gets another range.", valueName: "addresses"))
    var minimumFree: UInt64 = 8

    func validate() throws {
        let isPool = ipam == .clusterPool
        if isPool, ipv4.isEmpty, ipv6.isEmpty {
            throw ValidationError(
                "--ipam cluster-pool needs --cluster-pool-ipv4-cidr or --cluster-pool-ipv6-cidr")
        }
        if !isPool, !ipv4.isEmpty || !ipv6.isEmpty {
            throw ValidationError("--cluster-pool-ipv4-cidr and --cluster-pool-ipv6-cidr need --ipam cluster-pool")
        }
        if let wrong = ipv4.first(where: { !$0.isIPv4 }) ?? ipv6.first(where: \.isIPv4) {
            throw ValidationError("\(wrong) is of the other family")
        }
    }
}

/// Where the operator can be asked how it is.
struct HealthOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Where /healthz and /readyz are served, as address:port ([::1]:9881); none: nowhere.",
            valueName: "address"), transform: ListenAddress.init)
    var healthAddress = ListenAddress(host: "127.0.0.1", port: 9_881)
}

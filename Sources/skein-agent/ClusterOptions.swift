// SPDX-License-Identifier: Apache-2.0
import AgentCore
import ArgumentParser
import Glibc
import ProgramOptions

/// The cluster that the node belongs to, instead of --manifests.
struct ClusterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Find the API server by this kubeconfig file.", valueName: "file"), transform: parsePath)
    var kubeconfig: String?

    @Flag(help: "Find the API server as a pod of the cluster does.")
    var inCluster = false

    @Option(
        help: ArgumentHelp(
            "This node, as its Node object is named; NODE_NAME of the environment if not given.", valueName: "name"))
    var nodeName: String?

    @Option(
        help: ArgumentHelp(
            "Who says which addresses pods get: kubernetes (the Node's spec.podCIDRs; this if not given) or "
                + "cluster-pool (skein-operator).", valueName: "mode"))
    var ipam: SourceChoice.PodRangeSource?

    @Option(
        help: ArgumentHelp(
            "A pattern of labels' keys that take part in identities, or, with ! in front, that don't; may be repeated, "
                + "the last one that matches decides.",
            discussion:
                "Without any, all do but those that differ from pod to pod or with every rollout (*-hash, *-uid, "
                + "*-index, job-name, */pod-name). pod: or namespace: before the pattern restricts it. All nodes must "
                + "be told the same.", valueName: "pattern"))
    var identityLabels: [String] = []

    @Option(
        help: ArgumentHelp(
            "How long each half of an ADD waits for its pod and the pod's identity; 30s if not given, which is the "
                + "most, as the CNI plugin waits little longer.", valueName: "time"), transform: parseTime)
    var addPatience: Duration?

    /// What these options say together with others.
    func choice(manifests: String?, hasPodCIDR: Bool) throws -> SourceChoice {
        var options = SourceChoice.Options()
        options.manifests = manifests
        options.kubeconfig = kubeconfig
        options.inCluster = inCluster
        options.nodeName = nodeName
        options.podRanges = ipam
        options.identityLabels = identityLabels
        options.hasPodCIDR = hasPodCIDR
        options.environmentNodeName = unsafe getenv("NODE_NAME").map { unsafe String(cString: $0) }
        do {
            let choice = try SourceChoice(options)
            if case .folder = choice, addPatience != nil {
                throw ValidationError("--add-patience is for a node of a cluster, and --manifests is for one without")
            }
            let longest = ClusterMembership.longestPatience
            if let addPatience, addPatience > longest {
                throw ValidationError("--add-patience is more than \(longest.components.seconds)s")
            }
            return choice
        } catch let error as SourceChoice.Contradiction {
            throw ValidationError(error.description)
        }
    }
}

extension SourceChoice.PodRangeSource: ExpressibleByArgument {}

/// How the container runtime and kubelet see the agent.
struct RuntimeOptions: ParsableArguments {
    @Flag(help: "Write the container runtime's configuration when pods can be served.")
    var writeCniConf = false

    @Option(
        help: ArgumentHelp(
            "The runtime's folder for --write-cni-conf; /etc/cni/net.d if not given.", valueName: "folder"),
        transform: parsePath)
    var cniConfDir: String?

    @Option(
        help: ArgumentHelp(
            "Answer /healthz and /readyz on this TCP port of 127.0.0.1; 0: don't.", valueName: "port"))
    var healthPort: UInt16 = 0

    @Option(
        help: ArgumentHelp(
            "Copy the CNI plugin into this folder, whole or not at all, and exit.", valueName: "folder"),
        transform: parsePath)
    var installCni: String?

    @Option(
        help: ArgumentHelp(
            "The plugin for --install-cni; skein-cni beside the executable if not given.", valueName: "file"),
        transform: parsePath)
    var cniBinary: String?

    func validate() throws {
        if cniConfDir != nil, !writeCniConf {
            throw ValidationError("--cni-conf-dir is the folder for --write-cni-conf, which is missing")
        }
        if cniBinary != nil, installCni == nil {
            throw ValidationError("--cni-binary is the file for --install-cni, which is missing")
        }
    }

    var cniFolder: String? { writeCniConf ? cniConfDir ?? "/etc/cni/net.d" : nil }
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NetTypes
import ProgramOptions

/// Where things are.
struct PathOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Folder of YAML manifests (Namespace, Pod, NetworkPolicy); watched.", valueName: "folder"),
        transform: parsePath)
    var manifests: String?

    @Option(
        help: ArgumentHelp("Folder for what is remembered while the node is up.", valueName: "folder"),
        transform: parsePath)
    var runDir = "/run/skein"

    @Option(
        help: ArgumentHelp("The API's Unix socket; agent.sock in --run-dir if not given.", valueName: "path"),
        transform: parseSocketPath)
    var socket: String?

    @Option(
        help: ArgumentHelp("Folder in a bpffs for maps and links that outlive the agent.", valueName: "folder"),
        transform: parsePath)
    var bpffs = "/sys/fs/bpf/skein"

    @Option(
        help: ArgumentHelp(
            "Folder of the compiled BPF programs; ../lib/skein/bpf beside the executable, then /usr/lib/skein/bpf, if "
                + "not given.", valueName: "folder"),
        transform: parsePath)
    var bpfDir: String?

    @Option(
        help: ArgumentHelp(
            "A file that --uninstall removes too, such as the container runtime's configuration; may be repeated.",
            valueName: "file"),
        transform: parsePath)
    var uninstallFile: [String] = []
}

/// The network of this node's pods.
struct NetworkOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Range that pod addresses come from, IPv4 or IPv6; may be repeated.", valueName: "prefix"),
        transform: parsePrefix)
    var podCidr: [Prefix] = []

    @Option(
        help: ArgumentHelp(
            "MTU of pods; that of the default route's device, else 1500, if not given.", valueName: "bytes"),
        transform: parseMTU)
    var mtu: UInt32?

    @Option(
        help: ArgumentHelp(
            "An address of this node that its devices don't show; may be repeated.", valueName: "address"),
        transform: parseAddress)
    var nodeAddress: [IPAddress] = []

    @Option(help: "How packets leave for the outside: bpf (route lookup and redirect) or stack (netfilter sees them).")
    var hostRouting = HostRouting.bpf

    @Flag(name: .customLong("no-sysctl"), help: "Leave net.ipv4.ip_forward and net.ipv6.conf.all.forwarding alone.")
    var noSysctl = false

    @Flag(
        name: .customLong("no-rcu-expedited"),
        help: ArgumentHelp(
            "Leave /sys/kernel/rcu_expedited alone.",
            discussion:
                "It is turned on while an endpoint's programs are attached or removed, else ADD takes some tens "
                + "of milliseconds longer."))
    var noRCUExpedited = false
}

enum HostRouting: String, ExpressibleByArgument, CaseIterable {
    case bpf
    case stack
}

/// Sources that are dropped at a device.
struct DenyListOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Folder of deny lists: NAME.list files with a prefix a line; watched.", valueName: "folder"),
        transform: parsePath)
    var denyLists: String?

    @Option(help: ArgumentHelp("Device whose incoming packets the deny lists are for.", valueName: "device"))
    var xdpDevice: String?

    func validate() throws {
        if (denyLists == nil) != (xdpDevice == nil) {
            throw ValidationError("--deny-lists and --xdp-device belong together: give both or neither")
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentCore
import ArgumentParser
import Datapath
import Glibc
import Logging
import ProgramOptions
import ServiceLifecycle
import UnixSignals

struct SkeinAgent: AsyncParsableCommand {
    static let name = "skein-agent"
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: name,
        abstract: "Wires this node's pods and enforces their policies.",
        discussion: """
            Stopping it leaves pods their traffic and their policy; starting it again takes them over. Exit codes: 0 \
            stopped; 1 it could not start or go on, standard error says why; 64 wrong usage.
            """,
        version: version)

    @OptionGroup(title: "Paths") var paths: PathOptions
    @OptionGroup(title: "Cluster") var cluster: ClusterOptions
    @OptionGroup(title: "Container runtime") var runtime: RuntimeOptions
    @OptionGroup(title: "Network") var network: NetworkOptions
    @OptionGroup(title: "Other nodes") var routing: RoutingOptions
    @OptionGroup(title: "Masquerading") var masquerading: MasqueradeOptions
    @OptionGroup(title: "Deny lists") var denyLists: DenyListOptions
    @OptionGroup(title: "Events") var events: EventOptions
    @OptionGroup(title: "Connections") var flowTimeouts: FlowTimeoutOptions
    @OptionGroup(title: "Map sizes") var maps: MapOptions
    @OptionGroup(title: "Logging") var logging: LogOptions

    @Flag(help: "Take Skein's programs, pins and files off this node, and exit. No agent may be running.")
    var uninstall = false

    func validate() throws {
        if uninstall, runtime.installCni != nil {
            throw ValidationError("--uninstall and --install-cni contradict each other")
        }
        guard !uninstall, runtime.installCni == nil else { return }
        _ = try routing(try choice())
    }

    private func choice() throws -> SourceChoice {
        try cluster.choice(manifests: paths.manifests, hasPodCIDR: !network.podCidr.isEmpty)
    }

    private func routing(_ choice: SourceChoice) throws -> Routing? {
        if case .cluster = choice { return try routing.routing(isMember: true) }
        return try routing.routing(isMember: false)
    }

    func run() async throws {
        // A reader of the log or the API that goes away is no reason to die.
        signal(SIGPIPE, SIG_IGN)
        let logger = logging.logger(for: Self.name)
        do {
            if let folder = runtime.installCni { return try installPlugin(into: folder, logger) }
            let datapath = try datapathConfiguration()
            let directory = RunDirectory(paths.runDir)
            if uninstall {
                try Uninstallation.run(directory, datapath, files: paths.uninstallFile, logger: logger)
                return
            }
            let choice = try choice()
            var settings = settings(directory, choice)
            settings.routing = try routing(choice)
            let source = try SourceFactory.make(choice, directory, logger: logger)
            let service = try AgentService(settings: settings, datapath: datapath, source: source, logger: logger)
            let group = ServiceGroup(
                configuration: .init(
                    services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await group.run()
        } catch {
            sayLastWord(of: Self.name, error)
            throw ExitCode.failure
        }
    }

    private func installPlugin(into folder: String, _ logger: Logger) throws {
        let program = runtime.cniBinary ?? "\(ExecutableFolder.path ?? "")/\(PluginInstallation.name)"
        let isNew = try PluginInstallation.install(program, into: folder)
        logger.notice("CNI plugin \(isNew ? "installed" : "was there")", metadata: ["folder": "\(folder)"])
    }

    private func settings(_ directory: RunDirectory, _ choice: SourceChoice) -> AgentSettings {
        var settings = AgentSettings(
            version: Self.version, manifests: paths.manifests, podRanges: network.podCidr, runDirectory: directory,
            socket: paths.socket)
        if case .cluster(let member) = choice {
            var cluster = ClusterMembership(nodeName: member.nodeName, labelFilter: member.labelFilter)
            if let patience = self.cluster.addPatience { cluster.addPatience = patience }
            settings.cluster = cluster
        }
        settings.cniFolder = runtime.cniFolder
        settings.healthPort = runtime.healthPort == 0 ? nil : runtime.healthPort
        settings.mtu = network.mtu
        settings.nodeAddresses = network.nodeAddress
        settings.flowTimeouts = flowTimeouts.timeouts
        settings.endpointLimit = UInt16(clamping: maps.mapEndpoints - 1)
        settings.nodeLimit = maps.mapNodes
        settings.denyListFolder = denyLists.denyLists
        settings.denyListDevice = denyLists.xdpDevice
        settings.setsSysctls = !network.noSysctl
        settings.masquerade = masquerading.settings
        return settings
    }

    private func datapathConfiguration() throws -> DatapathConfiguration {
        var configuration = DatapathConfiguration(
            pinDirectory: paths.bpffs, objectDirectory: try ProgramFolder.find(paths.bpfDir))
        configuration.sizes = maps.sizes
        configuration.eventsPerSecond = events.eventsPerSecond
        configuration.fib = network.hostRouting == .bpf
        configuration.rcuMarker = network.noRCUExpedited ? nil : RunDirectory(paths.runDir).rcuMarker
        return configuration
    }
}

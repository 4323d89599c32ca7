// SPDX-License-Identifier: Apache-2.0
import AgentCore
import ArgumentParser
import Datapath
import Glibc
import Logging
import ServiceLifecycle
import UnixSignals

@main
struct SkeinAgent: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "skein-agent",
        abstract: "Wires this node's pods and enforces their policies.",
        discussion: """
            Stopping it leaves pods their traffic and their policy; starting it again takes them over. Exit codes: 0 \
            stopped; 1 it could not start or go on, standard error says why; 64 wrong usage.
            """,
        version: version)

    @OptionGroup(title: "Paths") var paths: PathOptions
    @OptionGroup(title: "Network") var network: NetworkOptions
    @OptionGroup(title: "Masquerading") var masquerading: MasqueradeOptions
    @OptionGroup(title: "Deny lists") var denyLists: DenyListOptions
    @OptionGroup(title: "Events") var events: EventOptions
    @OptionGroup(title: "Connections") var flowTimeouts: FlowTimeoutOptions
    @OptionGroup(title: "Map sizes") var maps: MapOptions
    @OptionGroup(title: "Logging") var logging: LogOptions

    @Flag(help: "Take Skein's programs, pins and files off this node, and exit. No agent may be running.")
    var uninstall = false

    func validate() throws {
        guard !uninstall else { return }
        if paths.manifests == nil { throw ValidationError("--manifests is missing: where are the policies?") }
        if network.podCidr.isEmpty {
            throw ValidationError("--pod-cidr is missing: which addresses may pods have?")
        }
    }

    func run() async throws {
        // A reader of the log or the API that goes away is no reason to die.
        signal(SIGPIPE, SIG_IGN)
        let logger = Log.makeLogger(logging)
        do {
            let datapath = try datapathConfiguration()
            let directory = RunDirectory(paths.runDir)
            if uninstall {
                try Uninstallation.run(directory, datapath, logger: logger)
                return
            }
            let service = try AgentService(settings: settings(directory), datapath: datapath, logger: logger)
            let group = ServiceGroup(
                configuration: .init(
                    services: [service], gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
            try await group.run()
        } catch {
            Log.failure(error)
            throw ExitCode.failure
        }
    }

    private func settings(_ directory: RunDirectory) -> AgentSettings {
        var settings = AgentSettings(
            version: Self.version, manifests: paths.manifests ?? "", podRanges: network.podCidr,
            runDirectory: directory, socket: paths.socket)
        settings.mtu = network.mtu
        settings.nodeAddresses = network.nodeAddress
        settings.flowTimeouts = flowTimeouts.timeouts
        settings.endpointLimit = UInt16(clamping: maps.mapEndpoints - 1)
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
        configuration.rcuMarker = network.noRCUExpedited ? nil : paths.runDir + "/rcu-expedited"
        return configuration
    }
}

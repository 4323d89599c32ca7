// SPDX-License-Identifier: Apache-2.0
import AgentIPC
package import Datapath
import Kernel
package import Logging
import Manifests
import Model
import ServiceLifecycle

/// The whole agent: everything is made in `init` but the datapath, and runs until it is told to stop. What it put into the
/// kernel stays there then.
package struct AgentService: Service {
    private let settings: AgentSettings
    private let agent: Agent
    private let host: any HostNetwork
    private let source: AgentSource
    private let cniConfiguration: CNIConfiguration?
    private let denyLists: DenyListSource?
    private let lock: RunLock
    private let pinLock: PinLock
    private let logger: Logger

    /// - Throws: `RunDirectoryBusy` when another agent works on this run directory, `PinsBusy` when one does on these pins;
    ///   errors of settings that contradict
    ///   each other.
    package init(
        settings: AgentSettings, datapath: DatapathConfiguration, source: AgentSource, logger: Logger,
        host: (any HostNetwork)? = nil
    ) throws {
        let host = host ?? KernelHostNetwork(rcu: ExpeditedRCU(marker: datapath.rcuMarker))
        Heap.limitArenas(to: 2)
        Heap.mapBlocks(from: 256 << 10)
        self.settings = settings
        self.host = host
        self.logger = logger
        self.source = source
        cniConfiguration = try settings.cniFolder.map {
            try CNIConfiguration(folder: $0, socket: settings.socket, runDirectory: settings.runDirectory.path)
        }
        if settings.runDirectory.isFresh {
            let running = try host.links().filter { $0.isPodLink && $0.isUp }
            guard running.isEmpty else { throw ForeignPods(directory: settings.runDirectory.path, running) }
        }
        try settings.runDirectory.prepare()
        lock = try settings.runDirectory.takeLock()
        pinLock = try PinLock(datapath.pinDirectory)
        denyLists = settings.denyListFolder.map {
            DenyListSource(folder: $0, lastGoodDirectory: settings.runDirectory.denyLists, logger: logger)
        }
        var reports = source.reports
        if let denyLists { reports.denyLists = { denyLists.errors.map { ManifestErrorInfo($0) } } }
        agent = try Agent(
            settings: settings, host: host, store: EndpointStore(directory: settings.runDirectory.endpoints),
            logger: logger, reports: reports
        ) { overlay in
            var datapath = datapath
            datapath.overlay = overlay
            return try Datapath(datapath)
        }
    }

    package func run() async throws {
        // The source has to speak first: what it says at its start is what the kernel is filled with.
        var services = source.services.map { ServiceGroupConfiguration.ServiceConfiguration(service: $0) }
        if let port = settings.healthPort {
            services.append(.init(service: HealthServer(agent: agent, port: port, logger: logger)))
        }
        services.append(.init(service: SourceService(source.resources)))
        services.append(.init(service: StartedAgent(service: self)))
        try await ServiceGroup(configuration: .init(services: services, logger: logger)).run()
    }

    /// From the source's first batch on.
    fileprivate func runStarted() async throws {
        try await agent.prepare()
        var batches = source.resources.changes.cancelOnGracefulShutdown().makeAsyncIterator()
        guard let first = await batches.next(isolation: #isolation) else { return }
        try await agent.start(first)
        let broadcaster = EventBroadcaster()
        // Stopped in the reverse order: first nobody is answered any more, then nothing is followed any more.
        var services: [any Service] = [
            MaintenanceService(agent: agent),
            EventService(agent: agent, broadcaster: broadcaster, logger: logger),
            HostWatchService(agent: agent, host: host),
            TombstoneService(agent: agent, folder: settings.runDirectory.deleted),
            ResourceService(agent: agent, source: source.resources),
        ]
        if let directory = source.directory {
            services.append(DirectoryService(agent: agent, directory: directory))
        }
        if let denyLists { services.append(DenyListService(agent: agent, source: denyLists)) }
        let (served, isServed) = AsyncStream.makeStream(of: Void.self)
        services.append(
            ReadinessService(
                agent: agent, served: served, configuration: cniConfiguration, readiness: source.readiness))
        services.append(
            APIServer(agent: agent, broadcaster: broadcaster, socket: settings.socket, logger: logger) {
                isServed.finish()
            })
        try await ServiceGroup(configuration: .init(services: services, logger: logger)).run()
    }

    private struct StartedAgent: Service {
        let service: AgentService

        func run() async throws { try await service.runStarted() }
    }
}

extension ManifestErrorInfo {
    /// As the API says it: places that are not known are left out.
    init(_ error: Manifests.ManifestError) {
        self.init(
            file: error.file, line: error.line == 0 ? nil : error.line, object: error.object, field: error.field,
            message: error.message)
    }
}

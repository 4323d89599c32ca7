// SPDX-License-Identifier: Apache-2.0
import AgentIPC
package import Datapath
import IPAM
package import Logging
import Manifests
package import Model
import NetTypes
import PolicyEngine

/// The one owner of what this node's pod network should be, and of the datapath that makes it so.
///
/// Every change, whoever asks for it, is one call here and done when it returns: nothing suspends half way, so that
/// changes never mix. The parts that can be thought about alone are values of their own: endpoints and their lives
/// (`EndpointTable`), addresses (`NodePools`), what the source says and what follows for the kernel
/// (`PolicyController`), what is wrong (`Conditions`).
package actor Agent {
    let settings: AgentSettings
    let host: any HostNetwork
    let store: any EndpointStoring
    let tombstones: TombstoneFolder
    let makeDatapath: @Sendable (OverlayDevice?) throws -> any DatapathControl
    let clock: AgentClock
    let logger: Logger
    let reports: SourceReports
    let startedAt: Int64
    let newsSignal = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    var datapath: (any DatapathControl)?
    var endpointTable: EndpointTable
    var pools: NodePools
    var poolsChanged = false
    /// How far an earlier agent's pools were, until there are ranges.
    var savedPools: NodePools.Snapshot?
    var policy: PolicyController
    var outbox = DirectoryOutbox()
    var bell = Bell()
    /// ADDs that wait for something, each with its ticket.
    var waitingAdds: [EndpointKey: (ticket: UInt64, attempt: String?)] = [:]
    var lastTicket: UInt64 = 0
    /// By which call, and when, endpoints were deleted lately.
    var deletions: [EndpointKey: (attempt: String, at: Int64)] = [:]
    var conditions = Conditions()
    var mtu: UInt32 = 1_500
    /// nil: there are no tunnels.
    var overlay: OverlayDevice?
    var adopted = false
    var lastRebuild: Int64 = 0
    var flowPace = FlowPace()
    var evictedFlows: UInt64 = 0
    /// What the datapath was told of masquerading.
    var nodeNAT: NodeNAT?
    /// nil: the folder was not read yet.
    var denyGroups: [DenyGroup]?
    /// Addresses that pods gave back and whose connections are still in the table.
    var freedAddresses: Set<IPAddress> = []

    /// - Parameters:
    ///   - store: where endpoints are remembered.
    ///   - makeDatapath: makes a datapath afresh, with the device for tunnels, adopting what an earlier one left pinned. Called at the start, and again
    ///     when the kernel has fallen behind and is to be filled from nothing.
    package init(
        settings: AgentSettings, host: any HostNetwork, store: any EndpointStoring, clock: AgentClock = .system,
        logger: Logger, reports: SourceReports = SourceReports(),
        makeDatapath: @escaping @Sendable (OverlayDevice?) throws -> any DatapathControl
    ) throws {
        self.settings = settings
        self.host = host
        self.store = store
        self.clock = clock
        self.logger = logger
        self.reports = reports
        self.makeDatapath = makeDatapath
        tombstones = TombstoneFolder(runDirectory: settings.runDirectory.path)
        startedAt = clock.milliseconds()
        endpointTable = EndpointTable(limit: settings.endpointLimit)
        policy = PolicyController(cluster: settings.cluster, routing: settings.routing, nodes: settings.nodeLimit)
        savedPools = try Self.savedPools(settings)
        pools = NodePools()
        if settings.cluster == nil {
            try pools.setRanges(settings.podRanges, restoring: savedPools)
            savedPools = nil
            guard pools.hasRanges else { throw AddressPoolError.noRanges }
        }
        conditions.set(
            .starting,
            "the agent is starting" + (settings.cluster == nil ? "" : ": the API server has not told everything yet"))
    }

    /// Why an ADD would not be served; empty when it would.
    package func problems() -> [String] { conditions.blocking }

    /// Why the node is not ready, though ADD may be served: a rollout must not go on. Empty when it is.
    package func readinessProblems() -> [String] { conditions.unready }

    /// Signals that there is something for `takeNews()`. For one consumer.
    package nonisolated var news: AsyncStream<Void> { newsSignal.stream }

    /// Whether `start` is over. There may be no datapath even then: where the policy does not fit, the kernel goes on with
    /// what the last agent put into it.
    var hasStarted: Bool { conditions[.starting] == nil }

    /// The datapath, or why there is none.
    func requireDatapath() throws(APIError) -> any DatapathControl {
        guard let datapath else {
            let why = conditions[.policy] ?? "the agent is starting"
            throw APIError(code: APIError.Code.notReady, message: why, retryable: true)
        }
        return datapath
    }

    /// Notes what is wrong with a topic, and logs it when that is news.
    func note(_ topic: Conditions.Topic, _ message: String?) {
        switch conditions.set(topic, message) {
        case .began, .changed:
            logger.error("degraded", metadata: ["topic": "\(topic)", "problem": "\(message ?? "")"])
        case .ended:
            logger.notice("recovered", metadata: ["topic": "\(topic)"])
        case .none: return
        }
        bell.ring()
    }
}

/// What is wrong with the files that the agent is told by, asked for when somebody wants to know.
package struct SourceReports: Sendable {
    package var manifests: @Sendable () -> [ManifestErrorInfo] = { [] }
    package var denyLists: @Sendable () -> [ManifestErrorInfo] = { [] }
    /// nil: a folder is the source.
    package var cluster: (@Sendable () -> ClusterReport)?

    package init() {}
}

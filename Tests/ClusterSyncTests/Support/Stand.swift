// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import NetTypes
import Synchronization

@testable import ClusterSync

/// An API server with all that an agent asks it for.
final class Stand: Sendable {
    let cluster = FakeCluster()
    /// Groups and versions, and the plurals in them.
    private let served = Mutex<[String: [String]]>(["discovery.k8s.io/v1": ["endpointslices"]])

    private let substitute = Mutex<@Sendable (FakeRequest) -> FakeResponse?>({ _ in nil })

    private func answer(_ request: FakeRequest) async throws -> FakeResponse {
        if let answer = substitute.withLock({ $0 })(request) { return answer }
        let parts = request.path.split(separator: "/")
        guard parts.count == 3, parts[0] == "apis" else { return try await cluster.answer(request) }
        if cluster.isDown.withLock({ $0 })(request) { throw Abort() }
        let names = served.withLock { $0["\(parts[1])/\(parts[2])"] }
        guard let names else { return .status(404, "NotFound") }
        return .json("{\"resources\":[\(names.map { "{\"name\":\"\($0)\"}" }.joined(separator: ","))]}")
    }

    /// Nobody answers, and what was open breaks.
    func goDown() {
        cluster.isDown.withLock { $0 = { _ in true } }
        cluster.endWatches()
    }

    /// Nobody answers for this path.
    func block(_ path: String) {
        cluster.isDown.withLock { $0 = { $0.path == path } }
    }

    func intercept(_ body: @escaping @Sendable (FakeRequest) async throws -> Void) {
        cluster.gate.withLock { $0 = body }
    }

    /// Answers that are given in place of the cluster's; nil: its own.
    func answer(with substitute: @escaping @Sendable (FakeRequest) -> FakeResponse?) {
        self.substitute.withLock { $0 = substitute }
    }

    func serve(_ group: String, _ plurals: [String]?) {
        served.withLock { $0[group] = plurals }
    }

    func comeBack() {
        cluster.isDown.withLock { $0 = { _ in false } }
    }

    /// With a server, and no agent yet.
    static func with(_ body: (Stand, FakeServer) async throws -> Void) async throws {
        let stand = Stand()
        try await FakeServer.with {
            try await stand.answer($0)
        } _: { server in
            try await body(stand, server)
        }
    }

    /// Runs an agent's two halves while `body` does.
    static func withAgent(
        _ settings: ClusterSettings = .test(), on server: FakeServer, isWriting: Bool = true,
        _ body: (ClusterConnection, World) async throws -> Void
    ) async throws {
        let configuration = ClusterConfiguration(servers: [.loopback(server.port)], credentials: .none)
        try await APIClient.with(configuration, options: .test(), logger: quiet) { client in
            let connection = ClusterConnection(client, settings: settings, logger: quiet)
            let world = World()
            let tasks = [
                Task { try await connection.source.run() },
                Task { for await batch in connection.source.changes { await world.take(batch) } },
                Task { if isWriting { try await connection.directory.run() } },
            ]
            do {
                try await body(connection, world)
            } catch {
                for task in tasks { task.cancel() }
                for task in tasks { _ = await task.result }
                throw error
            }
            for task in tasks { task.cancel() }
            for task in tasks { try await task.value }
        }
    }

    /// Both.
    static func withAgent(
        _ settings: ClusterSettings = .test(), prepare: (Stand) throws -> Void = { _ in },
        _ body: (Stand, FakeServer, ClusterConnection, World) async throws -> Void
    ) async throws {
        try await with { stand, server in
            try prepare(stand)
            try await withAgent(settings, on: server) { try await body(stand, server, $0, $1) }
        }
    }
}

extension ClusterSettings {
    /// Of node-1, and in a hurry.
    static func test(node: String = "node-1", cache: String? = nil) -> ClusterSettings {
        var settings = ClusterSettings(nodeName: node, copiesPodCIDRs: true, cacheDirectory: cache)
        settings.patience = .seconds(3_600)
        settings.sliceInterval = .milliseconds(20)
        settings.statusSpread = .milliseconds(2)
        settings.discoveryInterval = .milliseconds(20)
        settings.backoff = Backoff(base: .milliseconds(5), limit: .milliseconds(20))
        return settings
    }
}

/// What a consumer was told, as it is now.
final class World: Sendable {
    struct Content: Sendable {
        var batches: [[ResourceChange]] = []
        var namespaces: [String: Namespace] = [:]
        var pods: [String: Pod] = [:]
        var policies: [ObjectReference: String] = [:]
        var nodes: [String: ClusterNode] = [:]
        var identities: [IdentityNumber: SecurityLabels] = [:]
        var slices: [String: EndpointSlice] = [:]
        var apiServers: Set<IPAddress> = []
        var services: [String: Set<IPAddress>] = [:]
    }

    private let content = Mutex(Content())
    /// Batches are taken while it is.
    private let isOpen = Mutex(true)

    var now: Content { content.withLock { $0 } }

    func open(_ isOpen: Bool) { self.isOpen.withLock { $0 = isOpen } }

    func take(_ batch: [ResourceChange]) async {
        while !isOpen.withLock({ $0 }), !Task.isCancelled { try? await Task.sleep(for: .milliseconds(2)) }
        content.withLock { content in
            content.batches.append(batch)
            for change in batch { Self.take(change, &content) }
        }
    }

    private static func take(_ change: ResourceChange, _ content: inout Content) {
        switch change {
        case .namespace(let name, let namespace): content.namespaces[name] = namespace
        case .pod(let reference, let pod): content.pods["\(reference.namespace)/\(reference.name)"] = pod
        case .networkPolicy(let reference, let policy): content.policies[reference] = policy.map { "\($0)" }
        case .skeinNetworkPolicy(let reference, let policy): content.policies[reference] = policy.map { "\($0)" }
        case .clusterNetworkPolicy(let reference, let policy): content.policies[reference] = policy.map { "\($0)" }
        case .node(let name, let node): content.nodes[name] = node
        case .identity(let number, let labels): content.identities[number] = labels
        case .endpointSlice(let name, let slice): content.slices[name] = slice
        case .apiServers(let addresses): content.apiServers = addresses
        case .service(let reference, let addresses):
            content.services["\(reference.namespace)/\(reference.name)"] = addresses
        }
    }
}

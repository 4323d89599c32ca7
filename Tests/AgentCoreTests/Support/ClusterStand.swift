// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Model
import NetTypes
import PolicyEngine
import Testing

@testable import AgentCore

/// A node of a cluster, and the cluster: node-1 is this one.
struct ClusterStand {
    let node: TestNode
    let directory = FakeDirectory()

    init() throws {
        node = try TestNode()
    }

    func makeAgent(
        patience: Duration = .seconds(60), reports: SourceReports = SourceReports(), routing: Routing? = nil,
        masquerade: MasqueradeSettings? = nil, nodes: Int = 8_192
    ) throws -> Agent {
        var settings = AgentSettings(
            version: "test", cluster: ClusterMembership(nodeName: "node-1", addPatience: patience),
            runDirectory: node.directory, endpointLimit: 100)
        settings.routing = routing
        settings.masquerade = masquerade
        settings.nodeLimit = nodes
        return try node.makeAgent(settings, reports: reports)
    }

    /// Starts an agent with the objects, lets it talk to the directory while `body` runs, and stops it.
    func run(
        _ objects: [ResourceChange] = ClusterStand.objects, patience: Duration = .seconds(60),
        reports: SourceReports = SourceReports(), _ body: (Agent) async throws -> Void
    ) async throws {
        let agent = try makeAgent(patience: patience, reports: reports)
        try await agent.start(objects)
        try await talking(agent) { try await body(agent) }
    }

    func talking(_ agent: Agent, _ body: () async throws -> Void) async throws {
        let service = DirectoryService(agent: agent, directory: directory, pause: .milliseconds(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await service.run() }
            do { try await body() } catch {
                group.cancelAll()
                throw error
            }
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    /// This node with its ranges, and the namespace of the pods.
    static let objects: [ResourceChange] = [
        .node("node-1", ranges: ["10.1.0.0/24", "fd00:1::/64"]),
        .namespace("default", Namespace(name: "default")),
    ]

    static func labels(_ labels: Labels, namespace: Namespace = Namespace(name: "default")) -> SecurityLabels {
        SecurityLabels(namespace: namespace.name, namespace, podLabels: labels)
    }

    /// What the kernel knows of the peer at an address.
    func identity(at address: IPAddress?) -> IdentityNumber? {
        address.flatMap { node.kernel.snapshot.tables.peers[$0]?.identity }
    }
}

extension Agent {
    /// ADDs that wait for something to be known before anything is reserved.
    var waitingCount: Int { waitingAdds.count }

    /// A DEL and an ADD between which nobody else has his turn.
    func replace(_ request: AllocateRequest) throws -> AllocateReply {
        try delete(EndpointKey(containerID: request.containerID, interface: request.interface))
        return try reserve(request)
    }

    func knows(_ labels: SecurityLabels) -> Bool { policy.knownIdentities.number(of: labels) != nil }
}

extension ResourceChange {
    static func node(_ name: String, addresses: [String] = [], ranges: [String] = []) -> ResourceChange {
        .node(
            name,
            ClusterNode(
                name: name, addresses: addresses.compactMap { IPAddress($0) },
                podRanges: ranges.compactMap { Prefix($0) }))
    }

    static func slice(_ node: String, _ endpoints: [(address: String, identity: IdentityNumber)]) -> ResourceChange {
        .endpointSlice(
            "\(node)-0",
            EndpointSlice(
                node: node,
                endpoints: endpoints.map { endpoint in
                    ClusterEndpoint(
                        addresses: [endpoint.address].compactMap { IPAddress($0) }, identity: endpoint.identity,
                        namespace: "default", podName: "pod-\(endpoint.address)")
                }))
    }

    static func goneNode(_ name: String) -> ResourceChange { .node(name, nil) }
}

/// Waits for a state: a test that hangs here has found something.
func eventually(
    _ what: String, _ condition: () async throws -> Bool, sourceLocation: SourceLocation = #_sourceLocation
) async throws {
    let deadline = ContinuousClock.now + .seconds(20)
    while try await !condition() {
        guard ContinuousClock.now < deadline else {
            Issue.record("not within 20 s: \(what)", sourceLocation: sourceLocation)
            throw CancellationError()
        }
        try await Task.sleep(for: .milliseconds(2))
    }
}

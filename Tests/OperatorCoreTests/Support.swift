// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import NetTypes
import Testing

@testable import OperatorCore

/// Paths of the API.
enum Paths {
    static let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/skein-operator"
    static let nodes = "/api/v1/nodes"
    static let skeinNodes = "/apis/skein.dev/v1/skeinnodes"
    static let slices = "/apis/skein.dev/v1/skeinendpointslices"
    static let identities = "/apis/skein.dev/v1/skeinidentities"

    static func skeinNode(_ name: String) -> String { "\(skeinNodes)/\(name)" }
    static func identity(_ number: Int) -> String { "\(identities)/\(number)" }
}

extension FakeCluster {
    /// A Node with its SkeinNode.
    func addNode(_ name: String, ranges: [String] = [], created: String = "2026-01-01T00:00:00Z") throws {
        try put("\(Paths.nodes)/\(name)", "{\"metadata\":{\"name\":\"\(name)\"}}")
        let list = ranges.map { "\"\($0)\"" }.joined(separator: ",")
        try put(
            Paths.skeinNode(name),
            """
            {"metadata":{"name":"\(name)","creationTimestamp":"\(created)"},"spec":{"addresses":["192.0.2.1"],\
            "podCIDRs":[\(list)]}}
            """)
    }

    func removeNode(_ name: String) {
        remove("\(Paths.nodes)/\(name)")
        remove(Paths.skeinNode(name))
    }

    func ranges(_ name: String) -> [String] {
        guard case .array(let list) = object(Paths.skeinNode(name))?["spec"]["podCIDRs"] else { return [] }
        return list.compactMap(\.string)
    }

    /// What the node's agent says of its addresses.
    func use(_ name: String, used: Int, available: Int) throws {
        guard var object = object(Paths.skeinNode(name)) else { return }
        object["status"]["ipam"] = try JSONValue("{\"used\":\(used),\"available\":\(available)}")
        try put(Paths.skeinNode(name), object.text)
    }

    func addIdentity(_ number: Int) throws {
        try put(
            Paths.identity(number),
            "{\"metadata\":{\"name\":\"\(number)\"},\"spec\":{\"labels\":{\"namespace\":\"default\"}}}")
    }

    /// A slice of a node's, owned by its SkeinNode.
    func addSlice(_ name: String, node: String, identities: [Int], owner: String? = nil) throws {
        let uid = owner ?? object(Paths.skeinNode(node))?["metadata"]["uid"].string ?? ""
        let endpoints = identities.map { "{\"addresses\":[\"10.0.0.1\"],\"identity\":\($0)}" }
        try put(
            "\(Paths.slices)/\(name)",
            """
            {"metadata":{"name":"\(name)","ownerReferences":[{"apiVersion":"skein.dev/v1","kind":"SkeinNode",\
            "name":"\(node)","uid":"\(uid)"}]},"nodeName":"\(node)","endpoints":[\(endpoints.joined(separator: ","))]}
            """)
    }

    var leader: String? { object(Paths.lease)?["spec"]["holderIdentity"].string }

    /// Every range that two nodes have a part of.
    var sharedRanges: [String] {
        var seen: [(Prefix, String)] = []
        var shared: [String] = []
        for node in names(in: Paths.skeinNodes) {
            for range in ranges(node).compactMap({ Prefix($0) }) {
                shared += seen.filter { $0.0.overlaps(range) }.map { "\(range) of \(node), \($0.0) of \($0.1)" }
                seen.append((range, node))
            }
        }
        return shared
    }
}

extension OperatorSettings {
    static func test(_ identity: String, _ change: (inout OperatorSettings) -> Void = { _ in }) -> OperatorSettings {
        var election = LeaderElectionSettings(identity: identity)
        election.retryPeriod = .milliseconds(50)
        election.leaseDuration = .seconds(30)
        election.renewDeadline = .seconds(20)
        var settings = OperatorSettings(
            lease: ObjectKey(namespace: "kube-system", name: "skein-operator"), election: election)
        var ranges = PodRangeSettings()
        ranges.ipv4 = ["10.0.0.0/16"].compactMap { Prefix($0) }
        ranges.ipv6 = ["fd00::/64"].compactMap { Prefix($0) }
        settings.podRanges = ranges
        change(&settings)
        return settings
    }
}

/// Runs an operator, by itself, while `body` runs.
func withOperator(
    _ client: APIClient, _ settings: OperatorSettings, health: Health = Health(), _ body: () async throws -> Void
) async throws {
    let service = try OperatorService(client, settings: settings, health: health, logger: quiet)
    let task = Task { try await service.run() }
    do {
        try await body()
    } catch {
        task.cancel()
        try? await task.value
        throw error
    }
    task.cancel()
    try await task.value
}

func withCluster(_ body: (FakeCluster, APIClient, FakeServer) async throws -> Void) async throws {
    let cluster = FakeCluster()
    try await withServer {
        try await cluster.answer($0)
    } _: { client, server in
        try await body(cluster, client, server)
    }
}

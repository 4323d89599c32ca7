// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import NetTypes
import Testing

@testable import ClusterSync

/// Objects that can't be used: they change nothing else, and are told of.
@Suite struct BadObjectTests {
    private func errors(_ connection: ClusterConnection) -> [String] { connection.source.errors.map(\.description) }

    @Test(arguments: [
        (ClusterKind.networkPolicies, Specs.allowAll, Specs.badPort, "spec.ingress[0].ports[0].port"),
        (.skeinPolicies, Specs.skein, Specs.skeinBad, "spec.ingress[0].fromEntitys"),
        (.skeinClusterPolicies, Specs.skein, Specs.skeinBad, "spec.ingress[0].fromEntitys"),
    ])
    func `a policy that is edited into nonsense stays as it was`(
        kind: ClusterKind, good: String, bad: String, field: String
    ) async throws {
        try await Stand.withAgent(prepare: { try $0.putPolicy(kind, "p", good) }) { stand, _, connection, world in
            try await eventually("it is in force") { world.now.policies.count == 1 }
            let before = world.now.policies
            try stand.putPolicy(kind, "p", bad, generation: 2)
            try await eventually("it is refused") { errors(connection).count == 1 }
            let error = try #require(connection.source.errors.first)
            #expect(error.field == field)
            #expect(error.message.hasSuffix("(the last valid version stays in force)"))
            #expect(world.now.policies == before)
            // Mended, it is in force as it is then.
            try stand.putPolicy(kind, "p", good, generation: 3)
            try await eventually("it is right") { errors(connection).isEmpty }
            #expect(world.now.policies == before)
            try stand.putPolicy(kind, "p", bad, generation: 4)
            try await eventually("it is refused") { errors(connection).count == 1 }
            stand.cluster.remove(try stand.policyPath(kind, "p"))
            try await eventually("it is gone") { world.now.policies.isEmpty && errors(connection).isEmpty }
        }
    }

    @Test func `a policy that never was valid is in force in no part, and another object's past is not its own`()
        async throws
    {
        try await Stand.withAgent(
            prepare: {
                try $0.putPolicy(.networkPolicies, "bad", Specs.badPort)
                try $0.putPolicy(.networkPolicies, "good", Specs.denyAll)
            }
        ) { stand, _, connection, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            #expect(world.now.policies.keys.map(\.name) == ["good"])
            #expect(errors(connection).count == 1)
            // Deleted and made anew between two looks.
            try stand.putPolicy(.networkPolicies, "good", Specs.badPort, uid: "two")
            try await eventually("it is not in force") { world.now.policies.isEmpty }
            #expect(errors(connection).count == 2)
            #expect(errors(connection).allSatisfy { !$0.contains("stays in force") })
        }
    }

    @Test func `identities with names or labels that are none are left out`() async throws {
        let web = labels("web")
        try await Stand.withAgent(
            prepare: {
                try $0.putIdentity(300, web)
                for name in ["255", "0300", "abc", "16777216"] { try $0.putIdentity(name, web) }
                try $0.cluster.put(
                    "\(Stand.identities)/301",
                    #"{"metadata":{"name":"301","uid":"301"},"spec":{"labels":{"app":"web"}}}"#)
                try $0.cluster.put("\(Stand.identities)/302", #"{"metadata":{"name":"302","uid":"302"},"spec":{}}"#)
            }
        ) { stand, _, connection, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            #expect(world.now.identities == [300: web])
            #expect(
                connection.source.errors.map(\.object.name) == ["0300", "16777216", "255", "301", "302", "abc"])
            // The labels of an identity never change; another object may have them.
            try stand.putIdentity(300, labels("db"))
            try await eventually("it is refused") { errors(connection).count == 7 }
            #expect(world.now.identities == [300: web])
            try stand.putIdentity(300, labels("db"), uid: "another")
            try await eventually("it is another") { world.now.identities == [300: labels("db")] }
            #expect(errors(connection).count == 6)
        }
    }

    @Test func `slices and nodes that can't be read stay as they were`() async throws {
        try await Stand.withAgent(
            prepare: {
                try $0.putSlice("node-2-0", node: "node-2", ["10.0.2.7"])
                try $0.putSkeinNode("node-2", podCIDRs: #"["10.0.2.0/24"]"#)
            }
        ) { stand, _, connection, world in
            try await eventually("it told") { !world.now.batches.isEmpty }
            let before = world.now
            try stand.putSlice("node-2-0", node: "node-2", (0..<65).map { "10.0.2.\($0)" })
            try await eventually("it is refused") {
                errors(connection) == ["SkeinEndpointSlice node-2-0: endpoints: more than 64"]
            }
            try stand.putSlice("node-2-0", node: "node-2", ["10.0.2.700"])
            try stand.putSkeinNode("node-2", podCIDRs: #"["10.0.2.0"]"#)
            let refused = [
                "SkeinEndpointSlice node-2-0: endpoints[0].addresses[0]: \"10.0.2.700\" is not an IP address",
                "SkeinNode node-2: spec.podCIDRs[0]: \"10.0.2.0\" is not an address/length prefix",
            ]
            try await eventually("both are refused") { errors(connection) == refused }
            #expect(world.now.slices == before.slices && world.now.nodes == before.nodes)
            try stand.putSlice("node-2-0", node: "node-2", ["10.0.2.8"])
            stand.cluster.remove("\(Stand.nodes)/node-2")
            // Nodes and slices come by two watches, whichever first.
            try await eventually("all is right") {
                errors(connection).isEmpty && world.now.nodes.isEmpty
                    && world.now.slices["node-2-0"]?.endpoints.first?.podName == "p-10.0.2.8"
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Foundation
import KubeClient
import KubeTestSupport
import Synchronization
import Testing

@testable import OperatorCore

@Suite struct OperatorServiceTests {
    @Test func `every node gets ranges, keeps them over leaders, and more when it runs short`() async throws {
        try await withCluster { cluster, client, server in
            for number in 0..<40 { try cluster.addNode("node-\(number)") }
            try cluster.addNode("given", ranges: ["10.0.7.0/24", "fd00::700/120"])
            let names = cluster.names(in: Paths.skeinNodes)
            try await withOperator(client, .test("a")) {
                try await eventually("all have both") { names.allSatisfy { cluster.ranges($0).count == 2 } }
            }
            #expect(cluster.sharedRanges == [])
            #expect(cluster.ranges("given") == ["10.0.7.0/24", "fd00::700/120"])
            #expect(cluster.leader == "")
            // An apply that could make an object, or take what changed meanwhile, is none of ours.
            let applies = server.requests.filter {
                $0.method == "PATCH" && ($0.headers["content-type"] ?? "").contains("apply")
            }
            #expect(applies.count == 40)
            #expect(applies.allSatisfy { $0.json["metadata"]["uid"].string != nil })
            #expect(applies.allSatisfy { $0.json["metadata"]["resourceVersion"].string != nil })
            #expect(applies.allSatisfy { $0.query["fieldManager"] == "skein-operator" })
            let before = names.map(cluster.ranges)
            try cluster.addNode("late")
            try await withOperator(client, .test("b")) {
                try await eventually("the late one has both") { cluster.ranges("late").count == 2 }
                try cluster.use("late", used: 250, available: 4)
                // Only IPv4: there are 255 addresses in a /120, of which 5 are left; 8 are wanted.
                try await eventually("it has more") { cluster.ranges("late").count == 4 }
            }
            #expect(names.map(cluster.ranges) == before)
            #expect(cluster.sharedRanges == [])
        }
    }

    @Test func `a node that is gone gives its ranges back`() async throws {
        try await withCluster { cluster, client, _ in
            let settings = OperatorSettings.test("a") { settings in
                settings.podRanges?.ipv4Length = 17
                settings.podRanges?.ipv6 = []
            }
            try cluster.addNode("a")
            try cluster.addNode("b")
            try await withOperator(client, settings) {
                try await eventually("both have one") { cluster.ranges("a").count + cluster.ranges("b").count == 2 }
                try cluster.addNode("c")
                let type = NodeRanges.conditionType
                try await eventually("c is told") {
                    guard case .array(let list) = cluster.object(Paths.skeinNode("c"))?["status"]["conditions"] else {
                        return false
                    }
                    return list.contains { $0["type"].string == type && $0["status"].string == "False" }
                }
                let ranges = cluster.ranges("a")
                cluster.removeNode("a")
                try await eventually("c has it") { cluster.ranges("c") == ranges }
                try await eventually("c is told that all is well") {
                    guard case .array(let list) = cluster.object(Paths.skeinNode("c"))?["status"]["conditions"] else {
                        return false
                    }
                    return list.contains { $0["type"].string == type && $0["status"].string == "True" }
                }
            }
            #expect(cluster.sharedRanges == [])
        }
    }

    @Test func `what gone nodes leave behind goes, and nothing else`() async throws {
        try await withCluster { cluster, client, _ in
            for name in ["a", "b", "c"] {
                try cluster.addNode(name)
                try cluster.addSlice("\(name)-0", node: name, identities: [300])
            }
            try cluster.addSlice("b-1", node: "b", identities: [], owner: "somebody")
            try cluster.addSlice("x-0", node: "x", identities: [])
            cluster.remove("\(Paths.nodes)/c")
            let settings = OperatorSettings.test("a") { $0.nodeGrace = .milliseconds(200) }
            try await withOperator(client, settings) {
                try await eventually("c and its slice are gone") {
                    cluster.names(in: Paths.skeinNodes) == ["a", "b"]
                        && cluster.names(in: Paths.slices) == ["a-0", "b-0"]
                }
                cluster.remove("\(Paths.nodes)/b")
                try await eventually("b is gone") { cluster.names(in: Paths.slices) == ["a-0"] }
                #expect(cluster.names(in: Paths.skeinNodes) == ["a"])
            }
        }
    }

    @Test func `a Node that only its watch does not show keeps its SkeinNode`() async throws {
        try await withCluster { cluster, client, server in
            try cluster.addNode("a")
            // The list of the nodes is empty, though the node is there.
            cluster.gate.withLock {
                $0 = { request in
                    if request.path == Paths.nodes, !request.isWatch { cluster.remove("\(Paths.nodes)/b") }
                }
            }
            let settings = OperatorSettings.test("a") { $0.nodeGrace = .milliseconds(100) }
            try cluster.put(Paths.skeinNode("b"), "{\"metadata\":{\"name\":\"b\"},\"spec\":{}}")
            try await withOperator(client, settings) {
                try await eventually("it asks") { server.requests.contains { $0.path == "\(Paths.nodes)/b" } }
                try await eventually("b goes, which has no Node") { cluster.names(in: Paths.skeinNodes) == ["a"] }
            }
            #expect(server.requests.contains { $0.method == "DELETE" && $0.json["preconditions"]["uid"].string != nil })
        }
    }

    @Test func `identities that nobody uses are marked, then deleted; an agent's touch saves them`() async throws {
        try await withCluster { cluster, client, server in
            try cluster.addNode("a")
            try cluster.addSlice("a-0", node: "a", identities: [300, 301])
            for number in 300..<500 { try cluster.addIdentity(number) }
            // Somebody wants 302 kept, and takes the mark away whenever a deletion is on its way.
            cluster.gate.withLock {
                $0 = { request in
                    guard request.method == "DELETE", request.path == Paths.identity(302) else { return }
                    guard var object = cluster.object(request.path) else { return }
                    object["metadata"]["annotations"] = .object([:])
                    try cluster.put(request.path, object.text)
                }
            }
            let settings = OperatorSettings.test("a") { $0.identityGrace = .milliseconds(600) }
            try await withOperator(client, settings) {
                try await eventually("only those in use are left") {
                    cluster.names(in: Paths.identities) == ["300", "301", "302"]
                }
                try await eventually("302 is tried again") {
                    server.requests.count { $0.method == "DELETE" && $0.path == Paths.identity(302) } >= 2
                }
            }
            #expect(
                cluster.object(Paths.identity(300))?["metadata"]["annotations"][IdentityRecord.markKey].string == nil)
            let deletions = server.requests.filter { $0.method == "DELETE" }
            #expect(deletions.allSatisfy { $0.json["preconditions"]["resourceVersion"].string != nil })
            #expect(deletions.allSatisfy { $0.json["preconditions"]["uid"].string != nil })
        }
    }

    @Test func `an identity that is used again loses its mark`() async throws {
        try await withCluster { cluster, client, _ in
            try cluster.addNode("a")
            try cluster.addIdentity(300)
            let mark = {
                cluster.object(Paths.identity(300))?["metadata"]["annotations"][IdentityRecord.markKey].string
            }
            let settings = OperatorSettings.test("a") { $0.identityGrace = .seconds(30) }
            guard var object = cluster.object(Paths.identity(300)) else { return }
            object["metadata"]["annotations"][IdentityRecord.markKey] = .string(timestamp(Date()))
            try cluster.put(Paths.identity(300), object.text)
            try await withOperator(client, settings) {
                #expect(mark() != nil)
                try cluster.addSlice("a-0", node: "a", identities: [300])
                try await eventually("the mark is gone") { mark() == nil }
            }
            #expect(cluster.names(in: Paths.identities) == ["300"])
        }
    }

    @Test func `nothing is done before the CRDs are served`() async throws {
        try await withCluster { cluster, client, server in
            try cluster.addNode("a")
            let text = """
                apiVersion: apiextensions.k8s.io/v1
                kind: CustomResourceDefinition
                metadata: {name: things.skein.dev, annotations: {skein.dev/crd-version: "3"}}
                """
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/things.skein.dev"
            let definitions = try Definition.parse(text, file: "a.yaml")
            let health = Health()
            try await withOperator(client, .test("a") { $0.definitions = definitions }, health: health) {
                try await eventually("the CRD is there") { cluster.object(path) != nil }
                #expect(health.role == .preparing && !health.isReady)
                #expect(!server.requests.contains { $0.path.hasPrefix(Paths.skeinNodes) })
                try cluster.establish(path)
                try await eventually("a has its ranges") { cluster.ranges("a").count == 2 }
                #expect(health.role == .leading && health.isReady)
            }
            #expect(health.role == .standby)
        }
    }
}

import Foundation
// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import Testing

@testable import KubeClient

@Suite struct ObjectCallTests {
    private func withCluster(_ body: (APIClient, FakeCluster, FakeServer) async throws -> Void) async throws {
        let cluster = FakeCluster()
        try await withServer(options: .test(sleeps: Sleeps())) {
            try await cluster.answer($0)
        } _: { client, server in
            try await body(client, cluster, server)
        }
    }

    @Test func `an identity is made once; the second one reads the first`() async throws {
        try await withCluster { client, _, server in
            let identity = SkeinIdentity(number: 300, labels: ["app": "web"])
            let made = try await client.create(SkeinIdentity.resource, identity)
            #expect(made.number == 300 && made.metadata.uid == "uid-1" && made.metadata.resourceVersion == "1")
            #expect(
                server.requests.first?.json.text == """
                    {"apiVersion":"skein.dev/v1","kind":"SkeinIdentity","metadata":{"name":"300"},\
                    "spec":{"labels":{"app":"web"}}}
                    """)
            let error = await #expect(throws: KubeError.self) {
                try await client.create(SkeinIdentity.resource, identity)
            }
            #expect(error?.isAlreadyExists == true && error?.isConflict == false)
            #expect(try await client.find(SkeinIdentity.resource, "300") == made)
            #expect(try await client.find(SkeinIdentity.resource, "301") == nil)
            await #expect(throws: KubeError.self) { try await client.get(SkeinIdentity.resource, "301") }
        }
    }

    @Test func `a delete insists on what it is told, and succeeds twice`() async throws {
        try await withCluster { client, cluster, server in
            let made = try await client.create(
                SkeinNode.resource, SkeinNode(metadata: ObjectMeta(name: "n"), spec: .init()))
            let error = await #expect(throws: KubeError.self) {
                try await client.delete(SkeinNode.resource, "n", preconditions: .init(uid: "other"))
            }
            #expect(error?.isConflict == true)
            #expect(cluster.object("/apis/skein.dev/v1/skeinnodes/n") != nil)
            let preconditions = APIClient.Preconditions(
                uid: made.metadata.uid, resourceVersion: made.metadata.resourceVersion)
            #expect(
                try await client.delete(
                    SkeinNode.resource, "n", preconditions: preconditions, propagation: .foreground))
            #expect(
                server.requests.last?.json.text == """
                    {"apiVersion":"v1","kind":"DeleteOptions",\
                    "preconditions":{"resourceVersion":"1","uid":"uid-1"},"propagationPolicy":"Foreground"}
                    """)
            #expect(try await !client.delete(SkeinNode.resource, "n"))
        }
    }

    private struct Health: Encodable {
        struct Status: Encodable {
            var health: String?
        }

        struct Metadata: Encodable {
            var resourceVersion: String
        }

        var metadata: Metadata?
        var status: Status
    }

    @Test func `patches change what they name`() async throws {
        try await withCluster { client, _, server in
            _ = try await client.create(SkeinNode.resource, SkeinNode(metadata: ObjectMeta(name: "n"), spec: .init()))
            let node = try await client.patch(
                SkeinNode.resource, "n", subresource: .status, changes: Health(status: .init(health: "ok")))
            #expect(node.status?.health == "ok")
            let request = try #require(server.requests.last)
            #expect(request.method == "PATCH" && request.path == "/apis/skein.dev/v1/skeinnodes/n/status")
            #expect(request.headers["content-type"] == "application/merge-patch+json")
        }
    }

    @Test func `a node's condition is merged by its type`() async throws {
        try await withServer { _ in
            .json("{\"metadata\":{\"name\":\"n\"}}")
        } _: { client, server in
            try await client.setCondition(
                KubeCondition(type: "NetworkUnavailable", status: "False", reason: "SkeinIsUp"), ofNode: "n")
            let request = try #require(server.requests.first)
            #expect(request.path == "/api/v1/nodes/n/status")
            #expect(request.headers["content-type"] == "application/strategic-merge-patch+json")
            #expect(
                request.json.text
                    == #"{"status":{"conditions":[{"reason":"SkeinIsUp","status":"False","type":"NetworkUnavailable"}]}}"#
            )
        }
    }

    @Test(arguments: [true, false])
    func `apply names its manager`(force: Bool) async throws {
        try await withServer { _ in
            .json("{\"metadata\":{\"name\":\"n\"},\"spec\":{}}")
        } _: { client, server in
            let node = SkeinNode(metadata: ObjectMeta(name: "n"), spec: .init())
            try await client.apply(SkeinNode.resource, "n", node, manager: "skein-agent", force: force)
            let request = try #require(server.requests.first)
            #expect(request.method == "PATCH" && request.path == "/apis/skein.dev/v1/skeinnodes/n")
            #expect(request.headers["content-type"] == "application/apply-patch+yaml")
            #expect(
                request.query
                    == (force ? ["fieldManager": "skein-agent", "force": "true"] : ["fieldManager": "skein-agent"]))
            #expect(
                request.json.text == """
                    {"apiVersion":"skein.dev/v1","kind":"SkeinNode","metadata":{"name":"n"},\
                    "spec":{"addresses":[],"podCIDRs":[]}}
                    """)
        }
    }

    @Test func `a conflict is read and written again`() async throws {
        try await withCluster { client, _, _ in
            _ = try await client.create(SkeinNode.resource, SkeinNode(metadata: ObjectMeta(name: "n"), spec: .init()))
            let tries = Counter()
            let node = try await client.retryingConflicts {
                let old = try await client.get(SkeinNode.resource, "n")
                if tries.add(1) < 3 {
                    // Somebody else is faster.
                    let theirs = Health(status: .init(health: "theirs \(tries.value)"))
                    try await client.patch(SkeinNode.resource, "n", changes: theirs)
                }
                return try await client.patch(
                    SkeinNode.resource, "n",
                    changes: Health(
                        metadata: .init(resourceVersion: old.metadata.resourceVersion), status: .init(health: "ours")))
            }
            #expect(node.status?.health == "ours")
            #expect(tries.value == 3)
        }
    }

    @Test func `a conflict that does not end is an error, and no other error is retried`() async throws {
        try await withServer(options: .test(sleeps: Sleeps())) { request in
            request.path == "/conflict" ? .status(409, "Conflict") : .status(403, "Forbidden")
        } _: { client, server in
            let conflict = await #expect(throws: KubeError.self) {
                try await client.retryingConflicts(attempts: 4) { try await client.bytes(at: "/conflict") }
            }
            #expect(conflict?.isConflict == true)
            #expect(server.requests.count == 4)
            let forbidden = await #expect(throws: KubeError.self) {
                try await client.retryingConflicts { try await client.bytes(at: "/other") }
            }
            #expect(forbidden?.isForbidden == true)
            #expect(server.requests.count == 5)
        }
    }

    // MARK: Discovery

    @Test(arguments: [(["v1", "v1beta1"], "v1"), (["v1beta1"], "v1beta1"), ([], nil)])
    func `endpoint slices are found where they are`(served: [String], version: String?) async throws {
        try await withServer { request in
            for version in served where request.path == "/apis/discovery.k8s.io/\(version)" {
                return .json("{\"kind\":\"APIResourceList\",\"resources\":[{\"name\":\"endpointslices\"}]}")
            }
            return .status(404, "NotFound")
        } _: { client, _ in
            let slices = try await client.endpointSlices()
            #expect(slices?.version == version)
        }
    }

    @Test func `a resource is served or not, and an error is neither`() async throws {
        try await withServer { request in
            switch request.path {
            case "/apis/skein.dev/v1":
                .json("{\"resources\":[{\"name\":\"skeinnodes\"},{\"name\":\"skeinnodes/status\"}]}")
            case "/api/v1": .status(403, "Forbidden")
            case "/version": .json("{\"gitVersion\":\"v1.20.2\"}")
            default: .status(404, "NotFound")
            }
        } _: { client, _ in
            for (descriptor, isServed) in [
                (SkeinNode.resource.descriptor, true), (SkeinIdentity.resource.descriptor, false),
                (KubeLease.resource.descriptor, false),
            ] {
                let found = try await client.isServed(descriptor)
                #expect(found == isServed, "\(descriptor.plural)")
            }
            await #expect(throws: KubeError.self) { try await client.isServed(KubePod.resource.descriptor) }
            #expect(try await client.serverVersion() == "v1.20.2")
        }
    }
}

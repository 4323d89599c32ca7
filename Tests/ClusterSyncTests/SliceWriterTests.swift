// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Model
import NetTypes
import Testing

@testable import ClusterSync

@Suite struct SliceWriterTests {
    private func endpoints(_ count: Int, from first: Int = 0) -> [ClusterEndpoint] {
        (first..<first + count).map {
            ClusterEndpoint(
                addresses: [IPAddress(v4: 0x0a00_0100 + UInt32($0))], identity: 300,
                namedPorts: [NamedPort(name: "http", protocol: .tcp, port: 80)], namespace: "default",
                podName: "p\($0)")
        }
    }

    private func names(_ endpoints: [ClusterEndpoint]) -> [String] { endpoints.map(\.podName).sorted() }

    private func writes(_ server: FakeServer) -> Int {
        server.requests.count { $0.method != "GET" && $0.path.hasPrefix(Stand.slices) }
    }

    @Test func `what is told is what the slices hold, with their owner`() async throws {
        try await Stand.withAgent(prepare: { try $0.putNode() }) { stand, _, connection, world in
            await connection.directory.setEndpoints(endpoints(70))
            try await eventually("all are there") { stand.endpoints(of: "node-1").values.joined().count == 70 }
            #expect(stand.endpoints(of: "node-1").mapValues(\.count) == ["node-1-0": 64, "node-1-1": 6])
            let slice = try #require(stand.cluster.object("\(Stand.slices)/node-1-0"))
            let uid = stand.cluster.object("\(Stand.nodes)/node-1")?["metadata"]["uid"].string
            #expect(
                slice["metadata"]["ownerReferences"].text
                    == #"[{"apiVersion":"skein.dev/v1","kind":"SkeinNode","name":"node-1","uid":"\#(uid ?? "")"}]"#)
            // It comes back as it was told.
            try await eventually("it is shown") { world.now.slices.count == 2 }
            #expect(world.now.slices.values.flatMap(\.endpoints).contains(endpoints(1)[0]))
            await connection.directory.setEndpoints([])
            try await eventually("none is there") { stand.cluster.names(in: Stand.slices).isEmpty }
        }
    }

    @Test func `changes that come soon after each other are written together`() async throws {
        var settings = ClusterSettings.test()
        settings.sliceInterval = .milliseconds(300)
        try await Stand.withAgent(settings, prepare: { try $0.putNode() }) { stand, server, connection, _ in
            for count in 1...60 {
                await connection.directory.setEndpoints(endpoints(count))
                await Task.yield()
            }
            try await eventually("all are there") { stand.endpoints(of: "node-1").values.joined().count == 60 }
            // Sixty changes; how many rounds they take depends on how busy the machine is.
            let count = writes(server)
            #expect(count <= 20)
            // Nothing new, nothing written.
            await connection.directory.setEndpoints(endpoints(60))
            await connection.directory.setEndpoints(endpoints(60).reversed())
            try stand.putSlice("node-2-0", node: "node-2", ["10.0.2.1"])
            try await eventually("it was seen") { connection.source.hasSlice("node-2-0") }
            #expect(writes(server) == count)
        }
    }

    @Test func `until it is told, what is there stays`() async throws {
        try await Stand.withAgent(
            prepare: {
                try $0.putNode()
                try $0.putSlice("node-1-0", node: "node-1", ["10.0.1.1"])
            }
        ) { stand, server, connection, world in
            try await eventually("it told") { world.now.slices.count == 1 }
            try await eventually("its node is there") { stand.cluster.object("\(Stand.nodes)/node-1") != nil }
            #expect(writes(server) == 0)
            await connection.directory.setEndpoints([])
            try await eventually("it is gone") { stand.cluster.names(in: Stand.slices).isEmpty }
        }
    }

    @Test func `what others do to them is undone, and theirs are left alone`() async throws {
        try await Stand.withAgent(
            prepare: {
                try $0.putNode()
                // Another node's, under a name of ours.
                try $0.putSlice("node-1-0", node: "node-2", ["10.0.2.1"])
                try $0.putSlice("node-2-0", node: "node-2", ["10.0.2.2"])
            }
        ) { stand, _, connection, _ in
            await connection.directory.setEndpoints(endpoints(3))
            let right = ["node-1-1": names(endpoints(3))]
            try await eventually("they are there") { stand.endpoints(of: "node-1") == right }

            stand.cluster.remove("\(Stand.slices)/node-1-1")
            try await eventually("made again") { stand.endpoints(of: "node-1") == right }

            var forged = try #require(stand.cluster.object("\(Stand.slices)/node-1-1"))
            forged["endpoints"] = .array([])
            try stand.cluster.put("\(Stand.slices)/node-1-1", forged.text)
            try await eventually("filled again") { stand.endpoints(of: "node-1") == right }

            try stand.putSlice("in-our-name", node: "node-1", ["10.0.1.200"])
            try await eventually("deleted") { stand.endpoints(of: "node-1") == right }

            #expect(stand.endpoints(of: "node-2") == ["node-1-0": ["p-10.0.2.1"], "node-2-0": ["p-10.0.2.2"]])
        }
    }

    @Test func `others may be faster, in every gap`() async throws {
        try await Stand.withAgent(prepare: { try $0.putNode() }) { stand, _, connection, _ in
            let rounds = Counter()
            // Before every third write somebody edits the slice, makes it, or deletes it.
            stand.intercept { request in
                guard request.method != "GET", request.path.hasPrefix(Stand.slices) else { return }
                switch rounds.add(1) % 6 {
                case 1: try stand.putSlice("node-1-0", node: "node-1", ["10.0.1.77"])
                case 3: stand.cluster.remove("\(Stand.slices)/node-1-0")
                default: break
                }
            }
            for count in [1, 2, 70, 3, 0, 5] {
                await connection.directory.setEndpoints(endpoints(count))
                try await eventually("\(count) are there") {
                    stand.endpoints(of: "node-1").values.joined().sorted() == names(endpoints(count))
                }
            }
        }
    }

    @Test func `while the API server is away it is tried again`() async throws {
        try await Stand.withAgent(prepare: { try $0.putNode() }) { stand, server, connection, _ in
            await connection.directory.setEndpoints(endpoints(1))
            try await eventually("it is there") { stand.endpoints(of: "node-1").count == 1 }
            stand.goDown()
            await connection.directory.setEndpoints(endpoints(2))
            try await eventually("it tries") { writes(server) >= 4 }
            stand.comeBack()
            try await eventually("it is there") { stand.endpoints(of: "node-1")["node-1-0"] == ["p0", "p1"] }
        }
    }

    @Test func `a new SkeinNode owns them`() async throws {
        try await Stand.withAgent(prepare: { try $0.putNode() }) { stand, _, connection, _ in
            await connection.directory.setEndpoints(endpoints(1))
            try await eventually("it is there") { stand.endpoints(of: "node-1").count == 1 }
            let old = stand.cluster.object("\(Stand.nodes)/node-1")?["metadata"]["uid"]
            stand.cluster.remove("\(Stand.nodes)/node-1")
            try await eventually("it is owned by the new one") {
                let new = stand.cluster.object("\(Stand.nodes)/node-1")?["metadata"]["uid"]
                let slice = stand.cluster.object("\(Stand.slices)/node-1-0")
                guard case .array(let owners) = slice?["metadata"]["ownerReferences"], let new else { return false }
                return new != old && owners.map { $0["uid"] } == [new]
            }
        }
    }
}

@Suite struct SliceViewTests {
    private func slice(_ version: String) -> SkeinEndpointSlice {
        SkeinEndpointSlice(
            metadata: ObjectMeta(name: "n-0", resourceVersion: version), nodeName: "n", endpoints: [])
    }

    @Test func `what was written counts until the watch has come to it`() {
        let now = ContinuousClock.now
        var view = SliceView(patience: .seconds(10))
        view.wrote(slice("5"), at: now)
        view.show([:], at: now)
        #expect(view.slices["n-0"] == slice("5"))
        view.show(["n-0": slice("3")], at: now)
        #expect(view.slices["n-0"] == slice("5") && view.deadline != nil)
        view.show(["n-0": slice("5")], at: now)
        #expect(view.deadline == nil)
        view.show(["n-0": slice("6")], at: now)
        #expect(view.slices["n-0"] == slice("6"))
        view.deleted("n-0", at: now)
        view.show(["n-0": slice("6")], at: now)
        #expect(view.slices.isEmpty)
        view.show([:], at: now)
        #expect(view.slices.isEmpty && view.deadline == nil)
    }

    @Test func `what the watch never shows is forgotten`() {
        let now = ContinuousClock.now
        var view = SliceView(patience: .seconds(10))
        view.wrote(slice("5"), at: now)
        view.show([:], at: now + .seconds(9))
        #expect(view.slices["n-0"] == slice("5"))
        view.show([:], at: now + .seconds(10))
        #expect(view.slices.isEmpty)
    }
}

extension ClusterSource {
    func hasSlice(_ name: String) -> Bool { store.read { $0.slices.values[name] != nil } }
}

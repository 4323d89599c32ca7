// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Model
import NetTypes
import PolicyEngine
import Testing

/// ADD in a cluster: never with a wrong identity, never without end.
struct ClusterAddTests {
    private let web = ClusterStand.labels(["app": "web"])

    @Test func `a known pod gets the cluster's number before its programs are on the veth`() async throws {
        let stand = try ClusterStand()
        stand.directory.answer(web, 4_711)
        try await stand.run { agent in
            await agent.apply([.pod("a", uid: "u1", labels: ["app": "web", "pod-template-hash": "1"])])
            stand.node.kernel.forgetCalls()
            let reply = try await stand.node.addPod("a", to: agent, uid: "u1")
            #expect(stand.node.kernel.calls.suffix(2) == [.setEndpoint(1), .attach(1)])
            #expect(stand.identity(at: reply.ipv4) == 4_711)
            #expect(stand.identity(at: reply.ipv6) == 4_711)
            #expect(stand.node.kernel.snapshot.views[1]?.identity == 4_711)
            #expect(stand.directory.snapshot.asked == [web], "asked once, without the label that no rule should use")
            #expect(await agent.endpoint(TestNode.key("a"))?.labels == ["app": "web"])
        }
    }

    @Test func `a number that the cluster told of needs no question`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        try await stand.run(ClusterStand.objects + [.identity(500, web), .identity(400, web)]) { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let reply = try await stand.node.addPod("a", to: agent)
            #expect(stand.identity(at: reply.ipv4) == 400, "of several the lowest")
            #expect(stand.directory.snapshot.asked.isEmpty)
        }
    }

    @Test func `it waits for the pod, its namespace and its number, in any order`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        let team = Namespace(name: "default", labels: ["team": "blue"])
        let labels = ClusterStand.labels(["app": "web"], namespace: team)
        try await stand.run([.node("node-1", ranges: ["10.1.0.0/24"])]) { agent in
            let adding = Task { try await stand.node.addPod("a", to: agent, uid: "u1") }
            try await eventually("it waits") { await agent.waitingCount == 1 }
            await agent.apply([.pod("a", uid: "u1", labels: ["app": "web"])])
            #expect(stand.directory.snapshot.asked.isEmpty)
            await agent.apply([.namespace("default", team)])
            try await eventually("it asks") { stand.directory.snapshot.asked == [labels] }
            #expect(stand.node.kernel.snapshot.attached.isEmpty)
            stand.directory.answer(labels, 900)
            let reply = try await adding.value
            #expect(stand.identity(at: reply.ipv4) == 900)
        }
    }

    @Test func `an older pod of the same name is not taken for it`() async throws {
        let stand = try ClusterStand()
        let old = ClusterStand.labels(["app": "old"])
        stand.directory.answer(old, 300)
        stand.directory.answer(web, 301)
        try await stand.run { agent in
            await agent.apply([.pod("a", uid: "old", labels: ["app": "old"])])
            let running = try await stand.node.addPod("a", to: agent, uid: "old")

            var request = TestNode.request("a", uid: "new")
            request.containerID = "container-new"
            let wanted = request
            let key = EndpointKey(containerID: "container-new", interface: "eth0")
            let reserving = Task { try await agent.allocate(wanted) }
            try await eventually("it waits") { await agent.waitingCount == 1 }
            await agent.apply([.pod("a", uid: "new", labels: ["app": "web"])])
            let reply = try await reserving.value
            try await agent.attach(key, ifindex: stand.node.host.addLink(reply.hostInterface))
            #expect(stand.identity(at: reply.ipv4) == 301)
            #expect(stand.identity(at: running.ipv4) == 300, "the old sandbox keeps what it had")
        }
    }

    @Test func `what is not known in time is said, and may be tried again`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        var reports = SourceReports()
        reports.cluster = {
            ClusterReport(server: "https://192.0.2.1:6443", awaySince: 1, problem: "connection refused")
        }
        try await stand.run(patience: .milliseconds(30), reports: reports) { agent in
            func refusal(_ request: AllocateRequest) async -> APIError? {
                await #expect(throws: APIError.self) { try await agent.allocate(request) }
            }
            let unknown = await refusal(TestNode.request("a"))
            #expect(unknown?.code == APIError.Code.notReady)
            #expect(unknown?.retryable == true)
            #expect(
                unknown?.message
                    == "pod default/a: the API server has not told of the pod yet; the API server "
                    + "https://192.0.2.1:6443 does not answer (connection refused)")
            await agent.apply([.pod("a", uid: "old", labels: ["app": "web"])])
            let other = await refusal(TestNode.request("a", uid: "new"))
            #expect(other?.message.contains("another pod of this name, old instead of new") == true)
            let unnumbered = await refusal(TestNode.request("a", uid: "old"))
            #expect(unnumbered?.message.contains("its labels have no identity yet") == true)
            await agent.apply([.namespace("default", nil)])
            let homeless = await refusal(TestNode.request("a"))
            #expect(homeless?.message.contains("has not told of the namespace default yet") == true)
            await agent.apply([.namespace("default", Namespace(name: "default")), .pod("host", hostNetwork: true)])
            let host = await refusal(TestNode.request("host"))
            #expect(host?.message.contains("in the node's network") == true)
            #expect(await agent.endpoints().isEmpty, "nothing was reserved")
            #expect(stand.directory.snapshot.asked == [web], "asked once, however often ADD is tried")

            stand.directory.answer(web, 600)
            try await eventually("the answer") { (try? await agent.allocate(TestNode.request("a"))) != nil }
        }
    }

    @Test func `an ADD that names no pod is refused for good`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            var request = TestNode.request("a")
            request.podName = ""
            request.podNamespace = ""
            let wanted = request
            let error = await #expect(throws: APIError.self) { try await agent.allocate(wanted) }
            #expect(error?.code == APIError.Code.badRequest)
            #expect(error?.message.contains("K8S_POD_NAME") == true)
        }
    }

    @Test func `a directory that says no is asked again, and its words are told`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.refusals = 3 }
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let reply = try await stand.node.addPod("a", to: agent)
            #expect(stand.identity(at: reply.ipv4) == 1_000)
            #expect(stand.directory.snapshot.asked.count == 4)
        }
        let wrong = try ClusterStand()
        wrong.directory.answer(web, ReservedIdentity.host.rawValue)
        try await wrong.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let adding = Task { try await wrong.node.addPod("a", to: agent) }
            try await eventually("it asks again") { wrong.directory.snapshot.asked.count > 2 }
            wrong.directory.answer(web, 800)
            #expect(wrong.identity(at: try await adding.value.ipv4) == 800)
        }
        let other = try ClusterStand()
        other.directory.update { $0.refusals = .max }
        try await other.run(patience: .milliseconds(50)) { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            try await eventually("the reason") {
                let error = await #expect(throws: APIError.self) { try await agent.allocate(TestNode.request("a")) }
                return error?.message.contains("Refusal") == true
            }
        }
    }

    @Test func `a DEL ends the waiting of its ADD, and leaves nothing`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            let adding = Task { try await agent.allocate(TestNode.request("a")) }
            try await eventually("it waits") { await agent.waitingCount == 1 }
            try await agent.delete(TestNode.key("a"))
            do {
                _ = try await adding.value
                Issue.record("reserved after its deletion")
            } catch let error as APIError {
                #expect(error.retryable)
                #expect(error.message.contains("was deleted"))
            }
            await agent.apply([.pod("a", labels: ["app": "web"])])
            #expect(await agent.endpoints().isEmpty)
        }
    }

    @Test func `a note of a deletion ends it as well`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            let adding = Task { try await agent.allocate(TestNode.request("a")) }
            try await eventually("it waits") { await agent.waitingCount == 1 }
            try Tombstone(TestNode.key("a")).write(in: stand.node.directory.path)
            await agent.takeTombstones()
            await #expect(throws: APIError.self) { try await adding.value }
        }
    }

    @Test func `of two ADDs for one container the later one counts`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            let first = Task { try await agent.allocate(TestNode.request("a")) }
            try await eventually("the first waits") { await agent.waitingCount == 1 }
            let second = Task { try await agent.allocate(TestNode.request("a")) }
            await #expect(throws: APIError.self) { try await first.value }
            await agent.apply([.pod("a", labels: ["app": "web"])])
            #expect(try await second.value.state == .pending)
            #expect(await agent.endpoints().count == 1)
        }
    }

    @Test func `labels that change before the attachment are the ones that it starts with`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        let other = ClusterStand.labels(["app": "other"])
        stand.directory.answer(web, 700)
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let reply = try await agent.allocate(TestNode.request("a"))
            await agent.apply([.pod("a", labels: ["app": "other"])])
            let ifindex = stand.node.host.addLink(reply.hostInterface)
            let attaching = Task { try await agent.attach(TestNode.key("a"), ifindex: ifindex) }
            try await eventually("it asks") { stand.directory.snapshot.asked.contains(other) }
            #expect(stand.node.kernel.snapshot.attached.isEmpty)
            stand.directory.answer(other, 701)
            try await attaching.value
            #expect(stand.identity(at: reply.ipv4) == 701)
        }
    }

    @Test func `an attachment whose identity does not come leaves nothing`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        stand.directory.answer(web, 700)
        try await stand.run(patience: .milliseconds(30)) { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            var reserved: AllocateReply?
            try await eventually("the reservation") {
                reserved = try? await agent.allocate(TestNode.request("a"))
                return reserved != nil
            }
            let reply = try #require(reserved)
            await agent.apply([.pod("a", labels: ["app": "other"])])
            let ifindex = stand.node.host.addLink(reply.hostInterface)
            let error = await #expect(throws: APIError.self) {
                try await agent.attach(TestNode.key("a"), ifindex: ifindex)
            }
            #expect(error?.retryable == true)
            #expect(await agent.endpoints().isEmpty)
            #expect(stand.node.folder.names(in: "run/endpoints").isEmpty)
            #expect(stand.node.kernel.snapshot.attached.isEmpty)
        }
    }

    @Test func `a DEL while the attachment waits, and an ADD after it, do not meet`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        let other = ClusterStand.labels(["app": "other"])
        stand.directory.answer(web, 700)
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let first = try await agent.allocate(TestNode.request("a"))
            await agent.apply([.pod("a", labels: ["app": "other"])])
            let ifindex = stand.node.host.addLink(first.hostInterface)
            let attaching = Task { try await agent.attach(TestNode.key("a"), ifindex: ifindex) }
            try await eventually("it asks") { stand.directory.snapshot.asked.contains(other) }
            try await agent.delete(TestNode.key("a"))
            let error = await #expect(throws: APIError.self) { try await attaching.value }
            #expect(error?.code == APIError.Code.notFound)
            stand.directory.answer(other, 701)
            let second = try await stand.node.addPod("a", to: agent)
            #expect(second.endpoint != first.endpoint)
            #expect(stand.identity(at: second.ipv4) == 701)
            #expect(stand.identity(at: first.ipv4) == nil)
        }
    }

    @Test func `an attachment that waited is not another reservation's`() async throws {
        let stand = try ClusterStand()
        stand.directory.update { $0.answersAll = false }
        let other = ClusterStand.labels(["app": "other"])
        stand.directory.answer(web, 700)
        try await stand.run { agent in
            await agent.apply([.pod("a", labels: ["app": "web"])])
            let first = try await agent.allocate(TestNode.request("a"))
            await agent.apply([.pod("a", labels: ["app": "other"])])
            let ifindex = stand.node.host.addLink(first.hostInterface)
            let attaching = Task { try await agent.attach(TestNode.key("a"), ifindex: ifindex) }
            try await eventually("it asks") { stand.directory.snapshot.asked.contains(other) }
            let second = try await agent.replace(TestNode.request("a"))
            let error = await #expect(throws: APIError.self) { try await attaching.value }
            #expect(error?.code == APIError.Code.notFound)
            #expect(await agent.endpoint(TestNode.key("a"))?.number == second.endpoint, "it is still reserved")
        }
    }

    @Test func `a hundred pods of ten kinds at once ask ten times`() async throws {
        let stand = try ClusterStand()
        try await stand.run { agent in
            let replies = try await withThrowingTaskGroup(of: (Int, AllocateReply).self) { group in
                for number in 0..<100 {
                    group.addTask { (number, try await stand.node.addPod("pod-\(number)", to: agent)) }
                }
                try await eventually("some wait") { await agent.waitingCount > 50 }
                await agent.apply((0..<100).map { .pod("pod-\($0)", labels: ["app": "\($0 % 10)"]) })
                return try await group.reduce(into: []) { $0.append($1) }
            }
            #expect(stand.directory.snapshot.asked.count == 10)
            for (number, reply) in replies {
                let labels = ClusterStand.labels(["app": "\(number % 10)"])
                #expect(stand.identity(at: reply.ipv4) == stand.directory.snapshot.numbers[labels])
            }
        }
    }
}

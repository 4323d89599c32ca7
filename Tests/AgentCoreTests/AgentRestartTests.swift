// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Datapath
import Kernel
import Model
import NetTypes
import PolicyEngine
import Testing

/// A new agent takes over where the last one stopped, however that was.
struct AgentRestartTests {
    @Test func `the maps are filled before any program is replaced, and the API comes last`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        let a = try await node.addPod("a", to: first)
        let b = try await node.addPod("b", to: first)
        node.kernel.forgetCalls()

        let second = try node.makeAgent()
        #expect(await !second.problems().isEmpty)
        try await second.start([.pod("a", labels: ["app": "web"])])
        #expect(await second.problems().isEmpty)
        #expect(
            node.kernel.calls == [
                .make, .apply, .setEndpoint(a.endpoint), .setEndpoint(b.endpoint), .attach(a.endpoint),
                .attach(b.endpoint), .finishStart,
            ])
        let endpoints = await second.endpoints()
        #expect(endpoints.map(\.ipv4) == [a.ipv4, b.ipv4])
        #expect(endpoints.map(\.state) == [.ready, .ready])
        #expect(endpoints.first?.labels == ["app": "web"])
        #expect(try await second.status().adopted == true)
    }

    @Test func `what it did not know of is never handed out twice`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        let a = try await node.addPod("a", to: first)
        let b = try await node.addPod("b", to: first)
        try await first.delete(TestNode.key("b"))
        await first.savePools()
        let second = try await node.startAgent()
        let c = try await node.addPod("c", to: second)
        #expect(c.ipv4 != a.ipv4)
        #expect(c.ipv4 != b.ipv4, "an address that was given back is reused last, after a restart, too")
        #expect(c.endpoint != a.endpoint)
    }

    @Test func `endpoints without a device are forgotten`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        let reply = try await node.addPod("a", to: first)
        try await node.addPod("b", to: first)
        node.host.removeLink(reply.hostInterface)
        let second = try await node.startAgent()
        #expect(await second.endpoints().map(\.podName) == ["b"])
        #expect(node.folder.names(in: "run/endpoints").count == 1)
        #expect(node.kernel.snapshot.tables.peers[try #require(reply.ipv4)] == nil)
    }

    @Test func `devices of ours without an endpoint are removed, others are left alone`() async throws {
        let node = try TestNode()
        node.host.addLink("sknfeedfacecaf")
        node.host.addLink("eth0")
        _ = try await node.startAgent()
        #expect(node.host.snapshot.deleted == ["sknfeedfacecaf"])
        #expect(node.host.snapshot.links.keys.sorted() == ["eth0"])
    }

    @Test func `deletions noted meanwhile are done before anything is attached`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        let reply = try await node.addPod("a", to: first)
        try Tombstone(TestNode.key("a")).write(in: node.directory.path)
        node.kernel.forgetCalls()
        let second = try await node.startAgent()
        #expect(await second.endpoints().isEmpty)
        #expect(!node.kernel.calls.contains(.attach(reply.endpoint)))
        #expect(node.host.snapshot.deleted == [reply.hostInterface])
        #expect(node.folder.names(in: "run/deleted").isEmpty)
        #expect(node.folder.names(in: "run/endpoints").isEmpty)
        // The next owner of its addresses does not get its connections.
        _ = await second.sweepFlows()
        #expect(node.kernel.calls.contains(.forgetFlows(Set([reply.ipv4, reply.ipv6].compactMap(\.self)))))
    }

    @Test func `a device that was given another name does not outlive its pod`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        let a = try await node.addPod("a", to: first)
        let b = try await node.addPod("b", to: first)
        for (reply, name) in [(a, "renamed-a"), (b, "renamed-b")] {
            node.host.update { state in
                guard let link = state.links.removeValue(forKey: reply.hostInterface) else { return }
                state.links[name] = HostLink(name: name, index: link.index)
                state.macs[link.index] = reply.gatewayMAC
            }
        }
        try await first.delete(TestNode.key("a"))
        #expect(node.host.snapshot.links.keys.sorted() == ["renamed-b"])
        // Nobody would look after its programs.
        _ = try await node.startAgent()
        #expect(node.host.snapshot.links.isEmpty)
    }

    @Test func `policy that does not fit keeps an agent from serving ADD, not from starting`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        try await node.addPod("a", to: first)
        node.kernel.fail(.apply, times: -1)
        node.kernel.forgetCalls()
        let second = try await node.startAgent()
        #expect(await second.problems().first?.contains("map policy is full") == true)
        #expect(try await second.status().notReady.first?.contains("--map-policy-rows") == true)
        #expect(await second.endpoints().map(\.podName) == ["a"])
        #expect(try await second.policies().isEmpty)
        #expect(!node.kernel.calls.contains(.finishStart))
        let refused = await #expect(throws: APIError.self) { try await node.addPod("b", to: second) }
        #expect(refused?.retryable == true)
        node.kernel.fail(.apply, times: 0)
        node.advance(seconds: 2)
        await second.retry()
        #expect(await second.problems().isEmpty)
        #expect(node.kernel.calls.contains(.finishStart))
        try await node.addPod("b", to: second)
    }

    @Test func `an ADD that is not through is forgotten, and asked to try again`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        let reserved = try await first.allocate(TestNode.request("reserved"))
        let reservedIndex = node.host.addLink(reserved.hostInterface)
        // Attached, but its plugin has not brought the device up.
        let attached = try await node.addPod("attached", to: first)
        node.host.update { state in
            guard let link = state.links[attached.hostInterface] else { return }
            state.links[link.name] = HostLink(name: link.name, index: link.index, isUp: false)
        }
        let whole = try await node.addPod("whole", to: first)

        let second = try await node.startAgent()
        #expect(await second.endpoints().map(\.podName) == ["whole"])
        #expect(node.host.snapshot.links.keys.sorted() == [whole.hostInterface])
        #expect(node.folder.names(in: "run/endpoints").count == 1)
        let error = await #expect(throws: APIError.self) {
            try await second.attach(TestNode.key("reserved"), ifindex: reservedIndex)
        }
        #expect(error?.retryable == true)
    }

    @Test func `a device that was made anew meanwhile is the one that counts`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        let reply = try await node.addPod("a", to: first)
        let index = node.host.addLink(reply.hostInterface)
        _ = try await node.startAgent()
        #expect(node.kernel.snapshot.endpoints[reply.endpoint]?.ifindex == index)
    }

    @Test func `a pod keeps an address that is in no range any more`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        let reply = try await node.addPod("a", to: first)
        let second = try node.makeAgent(ranges: ["10.2.0.0/24"])
        try await second.start([])
        #expect(await second.endpoints().map(\.ipv4) == [reply.ipv4])
        #expect(try await second.allocate(TestNode.request("b")).ipv4?.description == "10.2.0.1")
    }

    @Test func `a running pod's file that can't be read keeps the agent from starting, and the pod its network`()
        async throws
    {
        let node = try TestNode()
        let first = try await node.startAgent()
        let reply = try await node.addPod("a", to: first)
        try await node.addPod("b", to: first)
        let broken = "\(node.folder.path)/run/endpoints/\(Tombstone(TestNode.key("a")).fileName)"
        try #require(truncateFile(broken, to: 10))
        node.kernel.forgetCalls()
        let second = try node.makeAgent()
        let error = await #expect(throws: EndpointsUnreadable.self) { try await second.start([]) }
        #expect(error.map { "\($0)".contains(broken) && "\($0)".contains(reply.hostInterface) } == true)
        #expect(node.kernel.calls.isEmpty)
        #expect(node.host.snapshot.deleted.isEmpty)
        // Whoever removes it gives the pod up.
        try AtomicFile.remove(broken)
        let third = try await node.startAgent()
        #expect(await third.endpoints().map(\.podName) == ["b"])
        #expect(node.host.snapshot.deleted == [reply.hostInterface])
    }

    @Test func `a file that can't be read, and that no pod needs, is forgotten, and what is no such file left alone`()
        async throws
    {
        let node = try TestNode()
        let first = try await node.startAgent()
        let reply = try await node.addPod("a", to: first)
        try await node.addPod("b", to: first)
        let folder = "\(node.folder.path)/run/endpoints"
        try #require(truncateFile("\(folder)/\(Tombstone(TestNode.key("a")).fileName)", to: 10))
        try Directory.create("\(folder)/x.json")
        node.host.removeLink(reply.hostInterface)
        let second = try await node.startAgent()
        #expect(await second.endpoints().map(\.podName) == ["b"])
        #expect(node.folder.names(in: "run/endpoints") == [Tombstone(TestNode.key("b")).fileName, "x.json"])
    }

    @Test func `one endpoint that can't be attached does not keep the agent from starting`() async throws {
        let node = try TestNode()
        let first = try await node.startAgent()
        for name in ["a", "b"] { try await node.addPod(name, to: first) }
        node.kernel.forgetCalls()
        node.kernel.fail(.attach)
        let second = try await node.startAgent()
        #expect(await second.problems().isEmpty)
        #expect(node.kernel.calls.suffix(3) == [.attach(1), .attach(2), .finishStart])
    }

    @Test func `an agent whose datapath can't be made does not start`() async throws {
        let node = try TestNode()
        node.kernel.fail(.make)
        node.kernel.update { $0.refusal = .missingFeatures(["tcx"]) }
        let agent = try node.makeAgent()
        await #expect(throws: (any Error).self) { try await agent.start([]) }
        #expect(await !agent.problems().isEmpty)
    }

    @Test func `forwarding is turned on, and the MTU is the uplink's`() async throws {
        let node = try TestNode()
        node.host.update { $0.mtu = 9_000 }
        let agent = try await node.startAgent()
        #expect(node.host.snapshot.forwards)
        #expect(try await agent.allocate(TestNode.request("a")).mtu == 9_000)
    }
}

struct RunLockTests {
    @Test func `a second agent on a run directory is refused, with the first one's number`() throws {
        let folder = TemporaryFolder()
        let directory = RunDirectory(folder.path)
        let lock = try directory.takeLock()
        let error = #expect(throws: RunDirectoryBusy.self) { try directory.takeLock() }
        #expect(error?.pid == currentProcess)
        #expect(error.map { "\($0)".contains("--run-dir") } == true)
        withExtendedLifetime(lock) {}
    }

    @Test func `the lock is free when its owner is gone`() throws {
        let folder = TemporaryFolder()
        let directory = RunDirectory(folder.path)
        do { _ = try directory.takeLock() }
        _ = try directory.takeLock()
    }

    @Test func `an uninstallation leaves no file`() throws {
        let folder = TemporaryFolder()
        let directory = RunDirectory(folder.path + "/run")
        try directory.prepare()
        try Tombstone(TestNode.key("a")).write(in: directory.path)
        for folder in [directory.manifests, directory.denyLists, directory.cluster] {
            try Directory.create(folder)
            try AtomicFile.write([], to: folder + "/some")
        }
        _ = try directory.takeLock()
        try directory.remove()
        #expect(folder.names(in: "").isEmpty)
    }
}

// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Datapath
import Logging
import NetTypes
import Testing

struct AgentMasqueradeTests {
    private let uplink = NodeNAT.Uplink(
        name: "eth0", ifindex: 2, ipv4: IPAddress("192.0.2.7"), ipv6: IPAddress("2001:db8::7"))

    private func start(
        _ node: TestNode, _ masquerade: MasqueradeSettings? = MasqueradeSettings()
    ) async throws -> Agent {
        node.host.update { host in
            host.uplinks = [uplink]
            host.addresses = Set([uplink.ipv4, uplink.ipv6].compactMap(\.self))
        }
        let agent = try node.makeAgent(masquerade: masquerade)
        try await agent.start([])
        return agent
    }

    private func prefixes(_ texts: String...) -> Set<Prefix> { Set(texts.compactMap { Prefix($0) }) }

    @Test func `the datapath is told devices, ranges and what is inside`() async throws {
        let node = try TestNode()
        let excluded = try #require(Prefix("10.0.0.0/8"))
        let agent = try await start(node, MasqueradeSettings(excluded: [excluded]))
        let nat = try #require(node.kernel.snapshot.nodeNAT)
        #expect(nat.uplinks == [uplink])
        #expect(nat.podRanges == prefixes("10.1.0.0/24", "fd00:1::/64"))
        #expect(nat.excluded.isSuperset(of: prefixes("10.0.0.0/8", "192.0.2.7/32", "2001:db8::7/128")))
        #expect(try await agent.status().notReady.isEmpty)
    }

    @Test func `off takes off what an earlier start put there`() async throws {
        let node = try TestNode()
        _ = try await start(node, nil)
        #expect(node.kernel.snapshot.nodeNAT == nil)
        #expect(node.kernel.snapshot.nodeNATCalls == 1)
    }

    @Test func `what changes is told, and only that`() async throws {
        let node = try TestNode()
        let agent = try await start(node)
        await agent.hostChanged([.routes])
        #expect(node.kernel.snapshot.nodeNATCalls == 1)
        node.host.update { $0.uplinks[0].ipv4 = IPAddress("192.0.2.8") }
        await agent.hostChanged([.addresses])
        #expect(node.kernel.snapshot.nodeNATCalls == 2)
        #expect(node.kernel.snapshot.nodeNAT?.uplinks.first?.ipv4?.description == "192.0.2.8")
        // Without a default route there is no device.
        node.host.update { $0.uplinks = [] }
        await agent.hostChanged([.routes])
        #expect(node.kernel.snapshot.nodeNAT?.uplinks == [])
    }

    @Test func `a device that is not there is a problem until it comes`() async throws {
        let node = try TestNode()
        let agent = try await start(node, MasqueradeSettings(devices: ["eth0", "eth1"]))
        #expect(try await agent.status().notReady == ["there is no device eth1 to masquerade on"])
        #expect(try await agent.status().ready, "pods are served all the same")
        #expect(await agent.readinessProblems().isEmpty, "no other version would do better")
        node.host.update { $0.uplinks.append(.init(name: "eth1", ifindex: 3, ipv4: nil, ipv6: nil)) }
        await agent.hostChanged([.addresses])
        #expect(try await agent.status().notReady.isEmpty)
        #expect(node.kernel.snapshot.nodeNAT?.uplinks.count == 2)
    }

    @Test func `programs that can't be taken off are tried again`() async throws {
        let node = try TestNode()
        node.kernel.fail(.setNodeNAT, times: 1)
        let agent = try await start(node, nil)
        #expect(try await agent.status().notReady.count == 1)
        await agent.hostChanged([.routes])
        #expect(try await agent.status().notReady.isEmpty)
        #expect(node.kernel.snapshot.nodeNATCalls == 1)
    }

    @Test func `what the kernel refuses is tried again`() async throws {
        let node = try TestNode()
        node.kernel.fail(.setNodeNAT, times: 2)
        let agent = try await start(node)
        #expect(try await agent.status().notReady.count == 1)
        await agent.retry()
        #expect(try await agent.status().notReady.count == 1)
        #expect(await agent.readinessProblems().count == 1, "this version is not to go to other nodes")
        #expect(await agent.problems().isEmpty, "pods are served all the same")
        let waiting = Task { await agent.waitUntilReady() }
        waiting.cancel()
        #expect(await !waiting.value, "nobody is told that the node is ready")
        await agent.retry()
        #expect(try await agent.status().notReady.isEmpty)
        #expect(await agent.readinessProblems().isEmpty)
        #expect(node.kernel.snapshot.nodeNAT?.uplinks == [uplink])
    }
}

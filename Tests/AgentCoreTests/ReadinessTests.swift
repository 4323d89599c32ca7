// SPDX-License-Identifier: Apache-2.0
import AgentCore
import AgentIPC
import Datapath
import Glibc
import Logging
import Model
import ServiceLifecycle
import Testing

/// What the container runtime, kubelet and the cluster see of a start.
struct ReadinessTests {
    private func configuration(_ folder: String) throws -> CNIConfiguration {
        try CNIConfiguration(folder: folder, socket: "/run/skein/agent.sock", runDirectory: "/run/skein")
    }

    private func read(_ path: String) -> String? {
        guard let file = unsafe fopen(path, "r") else { return nil }
        defer { unsafe _ = fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes.prefix(count), as: UTF8.self)
    }

    @Test func `the configuration comes when the API answers and there are ranges, then the cluster is told`()
        async throws
    {
        let stand = try ClusterStand()
        let folder = stand.node.folder.path + "/net.d"
        let configuration = try configuration(folder)
        let (served, isServed) = AsyncStream.makeStream(of: Void.self)
        let agent = try stand.makeAgent()
        try await agent.start([])
        let service = ReadinessService(
            agent: agent, served: served, configuration: configuration, readiness: stand.directory,
            pause: .milliseconds(1))
        let group = ServiceGroup(configuration: .init(services: [service], logger: TestNode.logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            isServed.finish()
            await agent.apply([.node("node-2", ranges: ["10.2.0.0/24"])])
            #expect(read(configuration.path) == nil)
            await agent.apply([.node("node-1", ranges: ["10.1.0.0/24"])])
            try await eventually("the cluster is told") { stand.directory.snapshot.announcements == 1 }
            #expect(read(configuration.path) == configuration.text)
            #expect(mode(of: configuration.path) == 0o644)
            #expect(stand.node.folder.names(in: "net.d") == ["10-skein.conflist"])
            try await eventually("nothing is wrong any more") { try await agent.status().notReady.isEmpty }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(read(configuration.path) == configuration.text, "a stop takes nothing away")
    }

    @Test func `an agent that never gets ready writes nothing, and stops when it is told to`() async throws {
        let stand = try ClusterStand()
        let configuration = try configuration(stand.node.folder.path + "/net.d")
        let (served, isServed) = AsyncStream.makeStream(of: Void.self)
        isServed.finish()
        let agent = try stand.makeAgent()
        try await agent.start([])
        let service = ReadinessService(
            agent: agent, served: served, configuration: configuration, readiness: stand.directory)
        let group = ServiceGroup(configuration: .init(services: [service], logger: TestNode.logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask { try await group.run() }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        #expect(read(configuration.path) == nil)
        #expect(stand.directory.snapshot.announcements == 0)
    }

    @Test func `the configuration is what deploy has, with this agent's paths`() throws {
        let folder = TemporaryFolder()
        let configuration = try CNIConfiguration(
            folder: folder.path, socket: "/a \"b\"/agent.sock", runDirectory: "/run/x")
        #expect(
            configuration.text == """
                {
                  "cniVersion" : "0.4.0",
                  "cniVersions" : [
                    "0.4.0",
                    "1.0.0",
                    "1.1.0"
                  ],
                  "name" : "skein",
                  "plugins" : [
                    {
                      "runDirectory" : "/run/x",
                      "socket" : "/a \\"b\\"/agent.sock",
                      "type" : "skein-cni"
                    }
                  ]
                }

                """)
    }

    @Test func `a configuration that is there already is not written again`() throws {
        let folder = TemporaryFolder()
        let configuration = try configuration(folder.path)
        try configuration.write()
        let first = inode(of: configuration.path)
        try configuration.write()
        #expect(inode(of: configuration.path) == first)
        try #require(writeFile(configuration.path, "{}"))
        try configuration.write()
        #expect(read(configuration.path) == configuration.text)
    }

    @Test func `the plugin is installed whole, and left alone when it is the same`() throws {
        let folder = TemporaryFolder()
        let source = folder.path + "/skein-cni-source"
        let target = folder.path + "/opt/cni/bin"
        try #require(writeFile(source, "version 1"))
        #expect(try PluginInstallation.install(source, into: target))
        #expect(read(target + "/skein-cni") == "version 1")
        #expect(mode(of: target + "/skein-cni") == 0o755)
        let first = inode(of: target + "/skein-cni")
        #expect(try !PluginInstallation.install(source, into: target))
        #expect(inode(of: target + "/skein-cni") == first)
        try #require(writeFile(source, "version 2"))
        try #require(writeFile(target + "/.tmp-interrupted", "vers"))
        #expect(try PluginInstallation.install(source, into: target))
        #expect(read(target + "/skein-cni") == "version 2")
        #expect(folder.names(in: "opt/cni/bin") == ["skein-cni"])
        #expect(unsafe chmod(target + "/skein-cni", 0o644) == 0)
        #expect(try PluginInstallation.install(source, into: target), "nobody can start it")
        #expect(throws: (any Error).self) { try PluginInstallation.install(folder.path + "/none", into: target) }
        #expect(read(target + "/skein-cni") == "version 2")
    }

    private func inode(of path: String) -> ino_t? {
        var info = stat()
        return unsafe lstat(path, &info) == 0 ? info.st_ino : nil
    }
}

/// Kubelet's probes.
struct HealthServerTests {
    /// Status line and body.
    private func get(_ path: String, _ port: UInt16) -> (status: String, body: String) {
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let connected = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard connected == 0 else { return ("", "") }
        let request = Array("GET \(path) HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".utf8)
        _ = unsafe write(socket, request, request.count)
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while true {
            let count = unsafe recv(socket, &buffer, buffer.count, 0)
            if count <= 0 { break }
            bytes += buffer.prefix(count)
        }
        let text = String(decoding: bytes, as: UTF8.self)
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1)
        return (
            String(text.split(separator: "\r\n").first ?? ""), parts.count > 1 ? String(parts[1]) : ""
        )
    }

    @Test func `an agent lives from the beginning and is ready when ADD is served`() async throws {
        let stand = try ClusterStand()
        let agent = try stand.makeAgent(masquerade: MasqueradeSettings())
        let (ports, isServing) = AsyncStream.makeStream(of: UInt16.self)
        let server = HealthServer(agent: agent, port: 0, logger: TestNode.logger) { isServing.yield($0) }
        let group = ServiceGroup(configuration: .init(services: [server], logger: TestNode.logger))
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { isServing.finish() }
                try await group.run()
            }
            for await port in ports {
                #expect(get("/healthz", port) == ("HTTP/1.1 200 OK", "ok\n"))
                #expect(
                    get("/readyz", port)
                        == (
                            "HTTP/1.1 503 Service Unavailable",
                            "the agent is starting: the API server has not told everything yet\n"
                        ))
                try await agent.start([])
                #expect(get("/readyz", port).body.hasPrefix("this node has no pod CIDR yet"))
                await agent.apply(ClusterStand.objects)
                #expect(get("/readyz", port) == ("HTTP/1.1 200 OK", "ok\n"))
                // A kernel that refuses the programs on the node's devices.
                stand.node.kernel.fail(.setNodeNAT, times: 1)
                stand.node.host.update { $0.uplinks = [.init(name: "eth0", ifindex: 2, ipv4: nil, ipv6: nil)] }
                await agent.hostChanged([.routes])
                #expect(get("/readyz", port).status == "HTTP/1.1 503 Service Unavailable")
                #expect(get("/readyz", port).body.hasPrefix("pods may not reach the outside: "))
                #expect(try await agent.status().ready, "ADD is served")
                await agent.retry()
                #expect(get("/readyz", port) == ("HTTP/1.1 200 OK", "ok\n"))
                #expect(get("/metrics", port).status == "HTTP/1.1 404 Not Found")
                break
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }
}

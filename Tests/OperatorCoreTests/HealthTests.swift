// SPDX-License-Identifier: Apache-2.0
import KubeClient
import KubeTestSupport
import Synchronization
import Testing

@testable import OperatorCore

@Suite struct HealthTests {
    @Test func `probes are told whether it is ready, and why not`() async throws {
        let health = Health()
        let port = Mutex<Int?>(nil)
        let server = HealthServer(health, host: "127.0.0.1", port: 0, logger: quiet) { number in
            port.withLock { $0 = number }
        }
        let task = Task { try await server.run() }
        defer { task.cancel() }
        try await eventually("it listens") { port.withLock { $0 } != nil }
        let configuration = ClusterConfiguration(servers: [.loopback(try #require(port.withLock { $0 }))])
        try await APIClient.with(configuration, options: .test(sleeps: Sleeps()), logger: quiet) {
            client async throws -> Void in
            func text(_ path: String) async throws -> String {
                String(decoding: try await client.bytes(at: path), as: UTF8.self)
            }
            #expect(try await text("/healthz") == "ok\n")
            // Another one leads.
            #expect(try await text("/readyz") == "standby\n")
            health.set(.leading)
            #expect(try await text("/readyz") == "leading\n")
            health.set(.preparing, problems: ["snp is taken"])
            let error = await #expect(throws: KubeError.self) { try await text("/readyz") }
            #expect(error?.status?.code == 503)
            #expect(error?.status?.message.contains("snp is taken") ?? false)
            #expect(try await text("/healthz") == "ok\n")
        }
    }

    @Test func `an address that is taken is an error`() async throws {
        try await withServer { _ in
            .json("{}")
        } _: { _, other in
            let server = HealthServer(Health(), host: "127.0.0.1", port: other.port, logger: quiet)
            await #expect(throws: (any Error).self) { try await server.run() }
        }
    }
}

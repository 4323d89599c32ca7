import Foundation
// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import NIOSSL
import Synchronization
import Testing

@testable import KubeClient

@Suite struct TransportTests {
    @Test func `requests say who we are and what we take`() async throws {
        try await withServer(credentials: .token("secret")) { _ in
            .json(podJSON("a", version: 1))
        } _: { client, server in
            _ = try await client.get(KubePod.resource, "a", namespace: "default")
            let request = try #require(server.requests.first)
            #expect(request.path == "/api/v1/namespaces/default/pods/a")
            #expect(request.authorization == "Bearer secret")
            #expect(request.headers["user-agent"] == "skein/0.0.0-test")
            #expect(request.headers["accept"] == "application/json")
        }
    }

    @Test func `a refusal keeps all that the server says`() async throws {
        let answer = FakeResponse.status(
            422, "Invalid", "is invalid",
            details: """
                {"name":"a","group":"skein.dev","kind":"skeinnodes",\
                "causes":[{"reason":"FieldValueRequired","message":"Required value","field":"spec.x"}]}
                """)
        try await withServer { _ in
            answer
        } _: { client, _ in
            let error = await #expect(throws: KubeError.self) { try await client.get(SkeinNode.resource, "a") }
            let status = try #require(error?.status)
            #expect(status.code == 422)
            #expect(status.reason == .invalid)
            #expect(status.message == "is invalid")
            #expect(status.details?.causes?.first?.field == "spec.x")
            #expect(words(error) == "GET /apis/skein.dev/v1/skeinnodes/a: 422 Invalid: is invalid")
        }
    }

    @Test func `a refusal that is no status keeps its text`() async throws {
        try await withServer { _ in
            .json("upstream is down", status: 502)
        } _: { client, _ in
            let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/version") }
            #expect(error?.status == KubeStatus(code: 502, message: "upstream is down"))
        }
    }

    // MARK: Waiting as told

    @Test func `429 waits as long as the server says`() async throws {
        let sleeps = Sleeps()
        let tries = Counter()
        try await withServer(options: .test(sleeps: sleeps)) { _ in
            let number = tries.add(1)
            if number < 3 {
                return .status(429, "TooManyRequests", headers: ["retry-after": "\(number * 2)"])
            }
            return .json("{}")
        } _: { client, server in
            _ = try await client.bytes(at: "/x")
            #expect(server.requests.count == 3)
            #expect(sleeps.all == [.seconds(2), .seconds(4)])
        }
    }

    @Test(arguments: [
        (429, nil, 5), (429, "1", 5), (503, "1", 5), (503, nil, 1), (500, nil, 1), (429, "3600", 1), (409, "1", 1),
    ])
    func `what is put off for too long, or for good, is an error`(code: Int, after: String?, tries: Int) async throws {
        let sleeps = Sleeps()
        let headers = after.map { ["retry-after": $0] } ?? [:]
        try await withServer(options: .test(sleeps: sleeps)) { _ in
            .status(code, "X", headers: headers)
        } _: { client, server in
            let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/x") }
            #expect(error?.status?.code == code)
            #expect(server.requests.count == tries)
        }
    }

    // MARK: Credentials

    @Test func `a token that was replaced in time is tried once more`() async throws {
        try await withTemporaryFolder { folder in
            let file = try folder.write("token", "old")
            try await withServer(credentials: .tokenFile(file)) { request in
                if request.authorization == "Bearer old" {
                    // As if the kubelet had just replaced it.
                    try folder.write("token", "new")
                    return .status(401, "Unauthorized")
                }
                return .json("{}")
            } _: { client, server in
                _ = try await client.bytes(at: "/x")
                #expect(server.requests.map(\.authorization) == ["Bearer old", "Bearer new"])
            }
        }
    }

    @Test func `a token that is refused twice is an error, not a loop`() async throws {
        try await withTemporaryFolder { folder in
            let script = try folder.write(
                "login",
                """
                #!/bin/sh
                echo x >> \(folder.path)/runs
                n=$(wc -l < \(folder.path)/runs)
                echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t'$n'"}}'
                """, executable: true)
            let plugin = ExecPlugin(
                version: .v1, command: script, arguments: [], environment: [], installHint: nil, cluster: nil,
                origin: "test")
            try await withServer(credentials: .exec(plugin)) { request in
                request.authorization == "Bearer t2" ? .json("{}") : .status(401, "Unauthorized")
            } _: { client, server in
                _ = try await client.bytes(at: "/x")
                _ = try await client.bytes(at: "/x")
                #expect(server.requests.map(\.authorization) == ["Bearer t1", "Bearer t2", "Bearer t2"])
            }
            try await withServer(credentials: .exec(plugin)) { _ in
                .status(401, "Unauthorized")
            } _: { client, server in
                let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/x") }
                #expect(error?.isUnauthorized == true)
                #expect(server.requests.count == 2)
            }
        }
    }

    @Test func `no credentials is an error that says why`() async throws {
        try await withServer(credentials: .tokenFile("/does/not/exist")) { _ in
            .json("{}")
        } _: { client, server in
            let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/x") }
            #expect(words(error) == "GET /x: no credentials: /does/not/exist: does not exist")
            #expect(server.requests.isEmpty)
        }
    }

    // MARK: Several servers

    /// A port on which nobody listens.
    private static func deadPort() async throws -> Int {
        try await FakeServer.with(answer: { _ in .json("{}") }) { $0.port }
    }

    @Test func `the next server is asked when one can't be reached, and kept`() async throws {
        let dead = try await Self.deadPort()
        try await FakeServer.with(answer: { _ in .json("{}") }) { server in
            let configuration = ClusterConfiguration(servers: [.loopback(dead), .loopback(server.port)])
            try await APIClient.with(configuration, options: .test(), logger: quiet) { client in
                _ = try await client.bytes(at: "/1")
                #expect(client.transport.currentServer == 1)
                _ = try await client.bytes(at: "/2")
                #expect(server.requests.map(\.path) == ["/1", "/2"])
            }
        }
    }

    @Test func `a write that was not sent goes to the next server`() async throws {
        let dead = try await Self.deadPort()
        try await FakeServer.with(answer: { _ in
            .json(#"{"metadata":{"name":"256"},"spec":{"labels":{}}}"#, status: 201)
        }) {
            server in
            let configuration = ClusterConfiguration(servers: [.loopback(dead), .loopback(server.port)])
            try await APIClient.with(configuration, options: .test(), logger: quiet) { client in
                _ = try await client.create(SkeinIdentity.resource, SkeinIdentity(number: 256, labels: [:]))
                #expect(server.requests.map(\.method) == ["POST"])
            }
        }
    }

    @Test func `a write that may have been done is not sent again`() async throws {
        try await FakeServer.with(answer: { _ in .json("{}") }) { second in
            try await withRawServer(.closing) { first in
                let configuration = ClusterConfiguration(servers: [.loopback(first), .loopback(second.port)])
                try await APIClient.with(configuration, options: .test(), logger: quiet) { client in
                    let error = await #expect(throws: KubeError.self) {
                        try await client.delete(SkeinNode.resource, "a")
                    }
                    guard case .interrupted = error?.cause else {
                        Issue.record("\(String(describing: error))")
                        return
                    }
                    #expect(second.requests.isEmpty)
                    // Reading is safe, and the broken server is not the first to be asked any more.
                    _ = try await client.bytes(at: "/x")
                    #expect(second.requests.map(\.path) == ["/x"])
                }
            }
        }
    }

    @Test func `no server at all is an error that names them`() async throws {
        let (first, second) = (try await Self.deadPort(), try await Self.deadPort())
        let configuration = ClusterConfiguration(servers: [.loopback(first), .loopback(second)])
        try await APIClient.with(configuration, options: .test(), logger: quiet) { client in
            let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/x") }
            guard case .unreachable(let lines) = error?.cause else {
                Issue.record("\(String(describing: error))")
                return
            }
            #expect(lines.count == 2)
            #expect(lines.first?.hasPrefix("http://127.0.0.1:\(first): ") == true)
        }
    }

    @Test func `an outage lasts from the first request without an answer to the next one with any`() async throws {
        let dead = try await Self.deadPort()
        try await FakeServer.with(answer: { _ in .status(500, "InternalError") }) { server in
            let answering = ClusterConfiguration(servers: [.loopback(server.port)])
            try await APIClient.with(answering, options: .test(), logger: quiet) { client in
                #expect(client.outage == nil)
                _ = try? await client.bytes(at: "/x")
                #expect(client.outage == nil, "no success, but an answer")
            }
            // The second server answers when it is asked.
            let both = ClusterConfiguration(servers: [.loopback(dead), .loopback(server.port)])
            try await APIClient.with(both, options: .test(), logger: quiet) { client in
                _ = try? await client.bytes(at: "/x")
                #expect(client.outage == nil)
            }
        }
        let silent = ClusterConfiguration(servers: [.loopback(dead)])
        try await APIClient.with(silent, options: .test(), logger: quiet) { client in
            _ = try? await client.bytes(at: "/x")
            let first = try #require(client.outage)
            #expect(first.problem.contains("127.0.0.1:\(dead)"))
            _ = try? await client.bytes(at: "/x")
            #expect(client.outage?.since == first.since)
        }
    }

    @Test func `a server that takes the request and says nothing times out`() async throws {
        var options = ClientOptions.test()
        options.requestTimeout = .milliseconds(200)
        try await withRawServer(.silent) { port in
            let configuration = ClusterConfiguration(servers: [.loopback(port)])
            try await APIClient.with(configuration, options: options, logger: quiet) { client in
                let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/x") }
                #expect(error?.cause == .timedOut(.milliseconds(200)))
            }
        }
    }

    @Test func `an answer that stops half way times out`() async throws {
        var options = ClientOptions.test()
        options.requestTimeout = .milliseconds(300)
        try await withServer(options: options) { _ in
            .chunks { write in
                try await write("{\"a\":")
                try await Task.sleep(for: .seconds(60))
            }
        } _: { client, _ in
            let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/x") }
            #expect(error?.cause == .timedOut(.milliseconds(300)))
        }
    }

    @Test func `an answer that breaks off is an error`() async throws {
        try await withServer { _ in
            .chunks { write in
                try await write("{\"a\":")
                throw Abort()
            }
        } _: { client, _ in
            let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/x") }
            guard case .interrupted = error?.cause else {
                Issue.record("\(String(describing: error))")
                return
            }
        }
    }

    @Test func `an answer that is too large is refused`() async throws {
        var options = ClientOptions.test()
        options.maximumObjectBytes = 1_000
        try await withServer(options: options) { _ in
            .json(String(repeating: "x", count: 2_000))
        } _: { client, _ in
            let error = await #expect(throws: KubeError.self) { try await client.bytes(at: "/x") }
            #expect(error?.cause == .badResponse("more than 1000 bytes"))
        }
    }

    @Test func `a cancelled request ends as cancelled`() async throws {
        try await withServer { _ in
            .chunks { _ in try await Task.sleep(for: .seconds(60)) }
        } _: { client, server in
            let task = Task { try await client.bytes(at: "/x") }
            try await eventually("it came in") { server.requests.count == 1 }
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }
}

@Suite struct TLSTests {
    private func configuration(_ port: Int, _ tls: ClusterTLS) -> ClusterConfiguration {
        ClusterConfiguration(servers: [.loopback(port, tls: true)], tls: tls)
    }

    private func call(_ configuration: ClusterConfiguration) async throws {
        try await APIClient.with(configuration, options: .test(), logger: quiet) { client in
            _ = try await client.bytes(at: "/x")
        }
    }

    @Test func `the cluster's authority vouches for the server, by address or by name`() async throws {
        let certificates = try await Certificates.shared.value
        let tls = try certificates.serverConfiguration(clients: false)
        try await FakeServer.with(tls: tls, answer: { _ in .json("{}") }) { server in
            let trust = ClusterTLS.Trust.authorities(certificates.authority)
            try await call(configuration(server.port, ClusterTLS(trust: trust)))
            try await call(configuration(server.port, ClusterTLS(trust: trust, serverName: "kubernetes")))
            try await call(configuration(server.port, ClusterTLS(trust: .everybody)))
            #expect(server.requests.count == 3)
        }
    }

    @Test func `a server that nobody vouches for, or with another name, gets no request`() async throws {
        let certificates = try await Certificates.shared.value
        let tls = try certificates.serverConfiguration(clients: false, isNamed: true)
        let trust = ClusterTLS.Trust.authorities(certificates.authority)
        try await FakeServer.with(tls: tls, answer: { _ in .json("{}") }) { server in
            for tls in [
                ClusterTLS(serverName: "kubernetes"), ClusterTLS(trust: trust),
                ClusterTLS(trust: trust, serverName: "other.example.org"),
            ] {
                let error = await #expect(throws: KubeError.self, "\(tls.serverName ?? "no name")") {
                    try await call(configuration(server.port, tls))
                }
                guard case .unreachable = error?.cause else {
                    Issue.record("\(String(describing: error))")
                    continue
                }
            }
            #expect(server.requests.isEmpty)
            try await call(configuration(server.port, ClusterTLS(trust: trust, serverName: "kubernetes")))
            #expect(server.requests.count == 1)
        }
    }

    @Test func `a client certificate lets us in, from the configuration or from a plugin`() async throws {
        let certificates = try await Certificates.shared.value
        let tls = try certificates.serverConfiguration(clients: true)
        let identity = ClusterTLS.Identity(
            certificate: certificates.client.certificate, key: certificates.client.key)
        try await withTemporaryFolder { folder in
            try await FakeServer.with(tls: tls, answer: { _ in .json("{}") }) { server in
                let trust = ClusterTLS.Trust.authorities(certificates.authority)
                await #expect(throws: KubeError.self) {
                    try await call(configuration(server.port, ClusterTLS(trust: trust)))
                }
                #expect(server.requests.isEmpty)
                try await call(configuration(server.port, ClusterTLS(trust: trust, identity: identity)))
                #expect(server.requests.count == 1)

                let answer = JSONValue.object([
                    "apiVersion": .string("client.authentication.k8s.io/v1"), "kind": .string("ExecCredential"),
                    "status": .object([
                        "clientCertificateData": .string(certificates.clientIdentity.certificate),
                        "clientKeyData": .string(certificates.clientIdentity.key),
                    ]),
                ])
                try folder.write("answer", answer.text)
                let script = try folder.write("login", "#!/bin/sh\ncat \(folder.path)/answer\n", executable: true)
                var plugged = configuration(server.port, ClusterTLS(trust: trust))
                plugged.credentials = .exec(
                    ExecPlugin(
                        version: .v1, command: script, arguments: [], environment: [], installHint: nil, cluster: nil,
                        origin: "test"))
                try await call(plugged)
                #expect(server.requests.count == 2)
            }
        }
    }
}

import Foundation
// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import Synchronization
import Testing

@testable import KubeClient

@Suite struct CredentialProviderTests {
    private static let plugin = ExecPlugin(
        version: .v1, command: "x", arguments: [], environment: [], installHint: nil, cluster: nil, origin: "test")

    @Test func `a token file is read again as it is replaced`() async throws {
        try await withTemporaryFolder { folder in
            let provider = CredentialProvider(.tokenFile(try folder.write("token", "one\n")), logger: quiet)
            #expect(try await provider.credential().token == "one")
            try folder.write("token", "two")
            #expect(try await provider.credential().token == "two")
            #expect(try await provider.replacement(for: Credential(token: "one"))?.token == "two")
            #expect(try await provider.replacement(for: Credential(token: "two")) == nil)
            try folder.remove("token")
            #expect(try await provider.credential().token == "two")
            try folder.write("token", "three")
            #expect(try await provider.credential().token == "three")
        }
    }

    @Test func `a token file that never was is an error`() async throws {
        let provider = CredentialProvider(.tokenFile("/does/not/exist"), logger: quiet)
        await #expect(throws: CredentialError("/does/not/exist: does not exist")) { try await provider.credential() }
    }

    @Test func `a plugin runs when its credential has expired, or is refused`() async throws {
        let clock = Mutex(Date(timeIntervalSince1970: 1_000))
        let runs = Counter()
        let provider = CredentialProvider(
            .exec(Self.plugin), logger: quiet,
            run: { _ in
                let run = runs.add(1)
                return Credential(token: "t\(run)", expires: clock.withLock { $0 }.addingTimeInterval(60))
            }, now: { clock.withLock { $0 } })
        #expect(try await provider.credential().token == "t1")
        #expect(try await provider.credential().token == "t1")
        clock.withLock { $0 += 59 }
        #expect(try await provider.credential().token == "t1")
        clock.withLock { $0 += 1 }
        let second = try await provider.credential()
        #expect(second.token == "t2")
        #expect(try await provider.replacement(for: second)?.token == "t3")
        // Somebody else's request was refused with the same one: it has been replaced since.
        #expect(try await provider.replacement(for: second)?.token == "t3")
        #expect(runs.value == 3)
    }

    @Test func `many who need it wait for one run`() async throws {
        let runs = Counter()
        let (gate, open) = AsyncStream.makeStream(of: Void.self)
        let provider = CredentialProvider(.exec(Self.plugin), logger: quiet) { _ in
            runs.add(1)
            for await _ in gate { break }
            return Credential(token: "t")
        }
        try await withThrowingTaskGroup(of: Credential.self) { group in
            for _ in 0..<20 { group.addTask { try await provider.credential() } }
            try await eventually("it runs") { runs.value == 1 }
            open.yield()
            for try await credential in group { #expect(credential.token == "t") }
        }
        #expect(runs.value == 1)
    }

    @Test func `a failed run is tried again by the next who asks`() async throws {
        let runs = Counter()
        let provider = CredentialProvider(.exec(Self.plugin), logger: quiet) { _ in
            let run = runs.add(1)
            if run == 1 { throw CredentialError("no") }
            return Credential(token: "t\(run)")
        }
        await #expect(throws: CredentialError("no")) { try await provider.credential() }
        #expect(try await provider.credential().token == "t2")
    }
}

@Suite struct ExecPluginTests {
    private func plugin(
        _ command: String, version: ExecPlugin.Version = .v1, arguments: [String] = [],
        environment: [ExecPlugin.Variable] = []
    ) -> ExecPlugin {
        ExecPlugin(
            version: version, command: command, arguments: arguments, environment: environment,
            installHint: "install it", cluster: nil, origin: "f: users[u].user.exec")
    }

    @Test(arguments: ExecPlugin.Version.allCases)
    func `it is told what is asked, and its answer is read`(version: ExecPlugin.Version) async throws {
        try await withTemporaryFolder { folder in
            let script = try folder.write(
                "login",
                """
                #!/bin/sh
                case $KUBERNETES_EXEC_INFO in *'"interactive":false'*) ;; *) exit 3;; esac
                echo '{"apiVersion":"\(version.rawValue)","kind":"ExecCredential","status":{"token":"'"$1-$A"'",'
                echo '"expirationTimestamp":"2030-01-02T03:04:05Z"}}'
                """, executable: true)
            let credential = try await plugin(
                script, version: version, arguments: ["x"], environment: [.init(name: "A", value: "b")]
            ).run()
            #expect(credential.token == "x-b")
            #expect(credential.expires == Date(timeIntervalSince1970: 1_893_553_445))
        }
    }

    @Test func `what goes wrong says which command and why`() async throws {
        try await withTemporaryFolder { folder in
            let failing = try folder.write("fail", "#!/bin/sh\necho 'not logged in' >&2\nexit 7\n", executable: true)
            let error = await #expect(throws: CredentialError.self) { try await plugin(failing).run() }
            let text = words(error)
            #expect(
                text.contains("users[u].user.exec") && text.contains("not logged in") && text.contains("7"), "\(text)")
            let missing = await #expect(throws: CredentialError.self) { try await plugin("no-such-command-here").run() }
            #expect(words(missing).contains("install it"))
        }
    }

    @Test(arguments: [
        ("x", "is not an ExecCredential"),
        (#"{"apiVersion":"v1","kind":"ExecCredential","status":{"token":"t"}}"#, "apiVersion: \"v1\" is not"),
        (#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"Pod","status":{"token":"t"}}"#, "kind: \"Pod\""),
        (#"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential"}"#, "status: is missing"),
        (
            #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{}}"#,
            "status: has neither token nor certificate"
        ),
        (
            #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"clientKeyData":"k"}}"#,
            "one of clientCertificateData and clientKeyData"
        ),
        (
            #"{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"t","expirationTimestamp":"soon"}}"#,
            "status.expirationTimestamp: \"soon\" is not a time"
        ),
    ])
    func `a wrong answer is named`(output: String, message: String) throws {
        let error = #expect(throws: CredentialError.self) {
            try Credential(execOutput: Array(output.utf8), of: plugin("login"))
        }
        #expect(words(error).contains(message))
    }

    @Test(arguments: [
        (1_700_000_000.0, "2023-11-14T22:13:20.000000Z"), (1_700_000_000.5, "2023-11-14T22:13:20.500000Z"),
        (1_700_000_000.000_008, "2023-11-14T22:13:20.000007Z"),
    ])
    func `micro times have six digits`(seconds: Double, text: String) {
        #expect(microTimestamp(Date(timeIntervalSince1970: seconds)).prefix(24) == text.prefix(24))
        #expect(microTimestamp(Date(timeIntervalSince1970: seconds)).count == text.count)
    }
}

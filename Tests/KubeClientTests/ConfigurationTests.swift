import Foundation
// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import Testing

@testable import KubeClient

@Suite struct InClusterTests {
    private func environment(_ host: String, _ port: String? = "6443") -> [String: String] {
        var result = ["KUBERNETES_SERVICE_HOST": host]
        result["KUBERNETES_SERVICE_PORT"] = port
        return result
    }

    @Test(arguments: [
        ("10.96.0.1", "443", "https://10.96.0.1:443"), ("fd00::1", "6443", "https://[fd00::1]:6443"),
        ("[fd00::1]", "6443", "https://[fd00::1]:6443"), ("kubernetes", nil, "https://kubernetes:443"),
    ])
    func `a pod finds its API server`(host: String, port: String?, url: String) async throws {
        let certificates = try await Certificates.shared.value
        try await withTemporaryFolder { folder in
            try folder.write("token", "abc\n")
            try folder.write("ca.crt", String(decoding: certificates.authority, as: UTF8.self))
            try folder.write("namespace", "kube-system\n")
            let configuration = try ClusterConfiguration.inCluster(
                environment: environment(host, port), directory: folder.path)
            #expect(configuration.servers.map(\.description) == [url])
            #expect(configuration.namespace == "kube-system")
            #expect(configuration.credentials == .tokenFile("\(folder.path)/token"))
            #expect(configuration.tls.trust == .authorities(certificates.authority))
        }
    }

    @Test func `what is missing or wrong is named`() async throws {
        let certificates = try await Certificates.shared.value
        try await withTemporaryFolder { folder in
            func message(_ environment: [String: String]) -> String {
                do {
                    _ = try ClusterConfiguration.inCluster(environment: environment, directory: folder.path)
                    return "no error"
                } catch {
                    return "\(error)".replacing(folder.path, with: "DIR")
                }
            }
            #expect(message([:]) == "environment: KUBERNETES_SERVICE_HOST: is not set: this is no pod")
            #expect(
                message(environment("h", "70000")) == "environment: KUBERNETES_SERVICE_PORT: \"70000\" is not a port")
            #expect(message(environment("h")) == "DIR/token: does not exist")
            try folder.write("token", "")
            #expect(message(environment("h")) == "DIR/token: is empty")
            try folder.write("token", "t")
            #expect(message(environment("h")) == "DIR/ca.crt: does not exist")
            try folder.write("ca.crt", "no certificate")
            #expect(message(environment("h")).hasPrefix("DIR/ca.crt: "))
            try folder.write("ca.crt", String(decoding: certificates.authority, as: UTF8.self))
            #expect(message(environment("h")) == "no error")
        }
    }
}

@Suite struct ServerAddressTests {
    @Test(arguments: [
        ("https://10.0.0.1:6443", "https://10.0.0.1:6443"), ("https://h", "https://h:443"),
        ("http://localhost:8080/", "http://localhost:8080"), ("https://[fd00::1]:6443", "https://[fd00::1]:6443"),
        ("https://r.example.org/k8s/clusters/x/", "https://r.example.org:443/k8s/clusters/x"),
    ])
    func `addresses are read`(text: String, url: String) {
        #expect(ServerAddress(url: text)?.description == url)
    }

    @Test(arguments: ["", "10.0.0.1:6443", "ftp://h", "https://", "https://u@h", "https://h?x=1", "https://h#f"])
    func `what is no address is refused`(text: String) {
        #expect(ServerAddress(url: text) == nil)
    }
}

@Suite struct KubeconfigTests {
    private func load(
        _ folder: TemporaryFolder, _ text: String, context: String? = nil
    ) throws -> ClusterConfiguration {
        let file = try folder.write("config", text)
        return try Kubeconfig.load([file], mayBeMissing: false).configuration(context: context)
    }

    private static let minimal = """
        current-context: a
        contexts: [{name: a, context: {cluster: c, user: u}}, {name: b, context: {cluster: c, namespace: prod}}]
        clusters: [{name: c, cluster: {server: 'https://10.0.0.1:6443'}}]
        users: [{name: u, user: {token: secret}}]
        """

    @Test func `contexts choose cluster, user and namespace`() async throws {
        try await withTemporaryFolder { folder in
            let current = try load(folder, Self.minimal)
            #expect(current.servers.map(\.description) == ["https://10.0.0.1:6443"])
            #expect(current.credentials == .token("secret"))
            #expect(current.namespace == "default")
            #expect(current.tls == ClusterTLS())
            let other = try load(folder, Self.minimal, context: "b")
            #expect(other.credentials == .none)
            #expect(other.namespace == "prod")
        }
    }

    @Test func `files are relative to the kubeconfig that names them`() async throws {
        let certificates = try await Certificates.shared.value
        let (certificate, key) = certificates.clientIdentity
        try await withTemporaryFolder { folder in
            try folder.write("x/pki/ca.crt", String(decoding: certificates.authority, as: UTF8.self))
            try folder.write("y/client.crt", certificate)
            try folder.write("y/client.key", key)
            let first = try folder.write(
                "x/config",
                """
                clusters:
                - name: c
                  cluster: {server: 'https://h:1', certificate-authority: pki/ca.crt, tls-server-name: kubernetes}
                current-context: a
                """)
            let second = try folder.write(
                "y/config",
                """
                current-context: other
                contexts: [{name: a, context: {cluster: c, user: u}}]
                clusters: [{name: c, cluster: {server: 'https://ignored:1'}}]
                users: [{name: u, user: {client-certificate: ./client.crt, client-key: client.key, tokenFile: t/token}}]
                """)
            let missing = "\(folder.path)/missing"
            let configuration = try ClusterConfiguration.find(
                environment: ["KUBECONFIG": "\(first):\(missing):\(second)"])
            #expect(configuration.servers.map(\.description) == ["https://h:1"])
            #expect(configuration.tls.trust == .authorities(certificates.authority))
            #expect(configuration.tls.serverName == "kubernetes")
            #expect(configuration.tls.identity?.certificate == Array(certificate.utf8))
            #expect(configuration.credentials == .tokenFile("\(folder.path)/y/t/token"))
        }
    }

    @Test func `data in the file wins over files`() async throws {
        let certificates = try await Certificates.shared.value
        let (certificate, key) = certificates.clientIdentity
        func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
        try await withTemporaryFolder { folder in
            let configuration = try load(
                folder,
                """
                current-context: a
                contexts: [{name: a, context: {cluster: c, user: u}}]
                clusters:
                - name: c
                  cluster:
                    server: https://h:1
                    certificate-authority: /does/not/exist
                    certificate-authority-data: \(Data(certificates.authority).base64EncodedString())
                users:
                - name: u
                  user:
                    client-certificate: /does/not/exist
                    client-certificate-data: \(base64(certificate))
                    client-key-data: \(base64(key))
                """)
            #expect(configuration.tls.trust == .authorities(certificates.authority))
            #expect(
                configuration.tls.identity
                    == ClusterTLS.Identity(certificate: Array(certificate.utf8), key: Array(key.utf8)))
        }
    }

    @Test func `an exec plugin is read`() async throws {
        try await withTemporaryFolder { folder in
            let configuration = try load(
                folder,
                """
                current-context: a
                contexts: [{name: a, context: {cluster: c, user: u}}]
                clusters: [{name: c, cluster: {server: 'https://h:1', insecure-skip-tls-verify: true}}]
                users:
                - name: u
                  user:
                    exec:
                      apiVersion: client.authentication.k8s.io/v1beta1
                      command: bin/login
                      args: [--cluster, x]
                      env: [{name: A, value: b}]
                      provideClusterInfo: true
                      interactiveMode: IfAvailable
                """)
            guard case .exec(let plugin) = configuration.credentials else {
                Issue.record("\(configuration.credentials)")
                return
            }
            #expect(plugin.version == .v1beta1)
            #expect(plugin.command == "\(folder.path)/bin/login")
            #expect(plugin.arguments == ["--cluster", "x"])
            #expect(plugin.environment == [.init(name: "A", value: "b")])
            #expect(
                try plugin.information() == """
                    {"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","spec":{"cluster":\
                    {"insecure-skip-tls-verify":true,"server":"https://h:1"},"interactive":false}}
                    """)
        }
    }

    struct Wrong: Sendable, CustomTestStringConvertible {
        let replace: String
        let with: String
        let message: String

        var testDescription: String { message }
    }

    @Test(arguments: [
        Wrong(
            replace: "current-context: a", with: "current-context: z",
            message: "current-context: there is no context \"z\""),
        Wrong(replace: "current-context: a", with: "", message: "current-context: is not set; there are: a, b"),
        Wrong(
            replace: "cluster: c, user", with: "cluster: z, user",
            message: "contexts[a].context.cluster: there is no cluster \"z\""),
        Wrong(replace: "user: u", with: "user: z", message: "contexts[a].context.user: there is no user \"z\""),
        Wrong(replace: "server: 'https://10.0.0.1:6443'", with: "", message: "clusters[c].cluster.server: is missing"),
        Wrong(
            replace: "https://10.0.0.1:6443", with: "10.0.0.1:6443",
            message: "clusters[c].cluster.server: \"10.0.0.1:6443\" is not an address like https://host:6443"),
        Wrong(
            replace: "server:", with: "certificate-authority: ca, server:",
            message: "clusters[c].cluster.certificate-authority: the file DIR/ca does not exist"),
        Wrong(
            replace: "server:", with: "certificate-authority-data: '%', server:",
            message: "clusters[c].cluster.certificate-authority-data: is not base64"),
        Wrong(
            replace: "server:", with: "certificate-authority-data: YWJj, server:",
            message: "clusters[c].cluster.certificate-authority-data: is not a list of PEM certificates"),
        Wrong(
            replace: "server:", with: "proxy-url: 'http://p', server:",
            message: "clusters[c].cluster.proxy-url: is not supported"),
        Wrong(
            replace: "token: secret", with: "client-key: k",
            message: "users[u].user.client-key: the file DIR/k does not exist"),
        Wrong(
            replace: "token: secret", with: "username: joe",
            message: "users[u].user.username: is not supported: API servers take no passwords"),
        Wrong(
            replace: "token: secret", with: "auth-provider: {name: gcp}",
            message: "users[u].user.auth-provider: is not supported; use exec"),
        Wrong(
            replace: "token: secret", with: "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}",
            message:
                "users[u].user.exec.apiVersion: \"client.authentication.k8s.io/v1alpha1\" is none of client.authentication.k8s.io/v1, client.authentication.k8s.io/v1beta1"
        ),
        Wrong(
            replace: "token: secret", with: "exec: {command: x}", message: "users[0].user.exec.apiVersion: is missing"),
        Wrong(
            replace: "context: {cluster: c, user: u}", with: "context: {user: u}",
            message: "contexts[0].context.cluster: is missing"),
        Wrong(replace: "[{name: u, user: {token: secret}}]", with: "x", message: "users: "),
        Wrong(replace: "current-context: a", with: "}", message: "is not YAML: "),
    ])
    func `what is wrong is named by file and field`(wrong: Wrong) async throws {
        try await withTemporaryFolder { folder in
            let text = Self.minimal.replacing(wrong.replace, with: wrong.with, maxReplacements: 1)
            let error = #expect(throws: ConfigurationError.self) { try load(folder, text) }
            let message = words(error).replacing(folder.path, with: "DIR")
            #expect(message.hasPrefix("DIR/config: \(wrong.message)"), "\(message)")
        }
    }

    @Test func `where it is looked for`() async throws {
        try await withTemporaryFolder { folder in
            try folder.write(".kube/config", Self.minimal)
            let other = try folder.write("other", Self.minimal.replacing("10.0.0.1", with: "10.0.0.2"))
            func server(_ environment: [String: String], kubeconfig: String? = nil) throws -> String? {
                try ClusterConfiguration.find(kubeconfig: kubeconfig, environment: environment).servers.first?.host
            }
            #expect(try server(["HOME": folder.path]) == "10.0.0.1")
            #expect(try server(["HOME": folder.path, "KUBECONFIG": other]) == "10.0.0.2")
            #expect(try server(["HOME": folder.path], kubeconfig: other) == "10.0.0.2")
            #expect(throws: ConfigurationError.self) { try server(["KUBECONFIG": "/does/not/exist"]) }
            #expect(throws: ConfigurationError.self) { try server(["KUBECONFIG": "/not/1:/not/2"]) }
            #expect(throws: ConfigurationError.self) { try server([:]) }
        }
    }
}

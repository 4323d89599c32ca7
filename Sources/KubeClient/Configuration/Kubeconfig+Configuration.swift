// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

extension Kubeconfig {
    /// The names of its contexts, sorted.
    package var contextNames: [String] { contexts.keys.sorted() }

    /// What a context says; the current one if none is named.
    package func configuration(context name: String? = nil) throws(ConfigurationError) -> ClusterConfiguration {
        let contextName = if let name { name } else { try chosenContext() }
        guard let context = contexts[contextName] else {
            let where_ = name == nil ? "current-context" : "contexts"
            throw ConfigurationError(
                file: currentContext?.file ?? files.joined(separator: ":"), field: where_,
                "there is no context \"\(contextName)\"")
        }
        guard let cluster = clusters[context.value.cluster] else {
            throw ConfigurationError(
                file: context.file, field: "contexts[\(contextName)].context.cluster",
                "there is no cluster \"\(context.value.cluster)\"")
        }
        let clusterFields = Fields(file: cluster.file, root: "clusters[\(context.value.cluster)].cluster")
        let server = try serverAddress(cluster.value, clusterFields)
        var tls = ClusterTLS(
            trust: try trust(cluster.value, clusterFields),
            serverName: cluster.value.tlsServerName.flatMap { $0.isEmpty ? nil : $0 })
        var credentials = CredentialSource.none
        if let userName = context.value.user, !userName.isEmpty {
            guard let user = users[userName] else {
                throw ConfigurationError(
                    file: context.file, field: "contexts[\(contextName)].context.user",
                    "there is no user \"\(userName)\"")
            }
            let fields = Fields(file: user.file, root: "users[\(userName)].user")
            tls.identity = try identity(user.value, fields)
            credentials = try credentialSource(user.value, fields, cluster: (server, tls))
        }
        let namespace = context.value.namespace ?? ""
        return ClusterConfiguration(
            servers: [server], tls: tls, credentials: credentials, namespace: namespace.isEmpty ? "default" : namespace,
            origin: "\(context.file), context \(contextName)")
    }

    private func chosenContext() throws(ConfigurationError) -> String {
        if let currentContext { return currentContext.value }
        throw ConfigurationError(
            file: files.joined(separator: ":"), field: "current-context",
            "is not set; there are: \(contextNames.joined(separator: ", "))")
    }

    private func serverAddress(
        _ cluster: KubeconfigFile.Cluster, _ fields: Fields
    ) throws(ConfigurationError) -> ServerAddress {
        if cluster.proxyURL.map({ !$0.isEmpty }) ?? false { throw fields.error("proxy-url", "is not supported") }
        guard let text = cluster.server, !text.isEmpty else { throw fields.error("server", "is missing") }
        guard let server = ServerAddress(url: text) else {
            throw fields.error("server", "\"\(text)\" is not an address like https://host:6443")
        }
        return server
    }

    private func trust(
        _ cluster: KubeconfigFile.Cluster, _ fields: Fields
    ) throws(ConfigurationError) -> ClusterTLS.Trust {
        let authorities = try fields.content(
            data: cluster.certificateAuthorityData, "certificate-authority-data", path: cluster.certificateAuthority,
            "certificate-authority", check: checkCertificates)
        if cluster.insecureSkipTLSVerify ?? false {
            guard authorities == nil else {
                throw fields.error("insecure-skip-tls-verify", "contradicts the certificate authority")
            }
            return .everybody
        }
        return authorities.map { .authorities($0) } ?? .system
    }

    private func identity(
        _ user: KubeconfigFile.User, _ fields: Fields
    ) throws(ConfigurationError) -> ClusterTLS.Identity? {
        let certificate = try fields.content(
            data: user.clientCertificateData, "client-certificate-data", path: user.clientCertificate,
            "client-certificate", check: checkCertificates)
        let key = try fields.content(
            data: user.clientKeyData, "client-key-data", path: user.clientKey, "client-key", check: checkKey)
        switch (certificate, key) {
        case (let certificate?, let key?): return ClusterTLS.Identity(certificate: certificate, key: key)
        case (nil, nil): return nil
        case (_?, nil): throw fields.error("client-key", "is missing beside client-certificate")
        case (nil, _?): throw fields.error("client-certificate", "is missing beside client-key")
        }
    }

    private func credentialSource(
        _ user: KubeconfigFile.User, _ fields: Fields, cluster: (server: ServerAddress, tls: ClusterTLS)
    ) throws(ConfigurationError) -> CredentialSource {
        if user.authProvider != nil { throw fields.error("auth-provider", "is not supported; use exec") }
        if user.impersonate.map({ !$0.isEmpty }) ?? false { throw fields.error("as", "is not supported") }
        if user.username.map({ !$0.isEmpty }) ?? false {
            throw fields.error("username", "is not supported: API servers take no passwords")
        }
        // A file wins over a token, as with kubectl: the token may be what the file held once.
        if let path = user.tokenFile, !path.isEmpty { return .tokenFile(fields.absolute(path)) }
        if let token = user.token, !token.isEmpty { return .token(token) }
        guard let exec = user.exec else { return .none }
        guard let version = ExecPlugin.Version(rawValue: exec.apiVersion) else {
            throw fields.error(
                "exec.apiVersion",
                "\"\(exec.apiVersion)\" is none of \(ExecPlugin.Version.allCases.map(\.rawValue).joined(separator: ", "))"
            )
        }
        guard !exec.command.isEmpty else { throw fields.error("exec.command", "is empty") }
        // A bare name is looked up in PATH; anything with a slash is a path.
        let command = exec.command.contains("/") ? fields.absolute(exec.command) : exec.command
        return .exec(
            ExecPlugin(
                version: version, command: command, arguments: exec.args ?? [],
                environment: (exec.env ?? []).map { .init(name: $0.name, value: $0.value) },
                installHint: exec.installHint.map(\.trimmingSpaces),
                cluster: exec.provideClusterInfo ?? false
                    ? .init(server: cluster.server, trust: cluster.tls.trust, serverName: cluster.tls.serverName) : nil,
                origin: "\(fields.file): \(fields.root).exec"))
    }
}

/// The fields of one entry of a file.
private struct Fields {
    let file: String
    let root: String

    func error(_ field: String, _ text: String) -> ConfigurationError {
        ConfigurationError(file: file, field: "\(root).\(field)", text)
    }

    /// Paths are relative to the file that names them.
    func absolute(_ path: String) -> String {
        if path.hasPrefix("/") { return path }
        guard let slash = file.lastIndex(of: "/") else { return path }
        return "\(file[..<slash])/\(path)"
    }

    /// Of base64 data or else of a file: data wins, as with kubectl.
    func content(
        data: String?, _ dataField: String, path: String?, _ pathField: String,
        check: (_ pem: [UInt8], _ file: String, _ field: String) throws(ConfigurationError) -> Void
    ) throws(ConfigurationError) -> [UInt8]? {
        if let data, !data.isEmpty {
            guard let bytes = Data(base64Encoded: data, options: .ignoreUnknownCharacters) else {
                throw error(dataField, "is not base64")
            }
            try check(Array(bytes), file, "\(root).\(dataField)")
            return Array(bytes)
        }
        guard let path, !path.isEmpty else { return nil }
        let full = absolute(path)
        let bytes = try readFile(full, namedBy: (file, "\(root).\(pathField)"))
        try check(bytes, file, "\(root).\(pathField) (\(full))")
        return bytes
    }
}

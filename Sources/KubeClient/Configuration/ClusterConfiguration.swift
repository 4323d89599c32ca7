// SPDX-License-Identifier: Apache-2.0

/// How to reach a cluster's API, and as whom.
package struct ClusterConfiguration: Sendable {
    /// At least one. All are servers of one cluster: the first that works is used until it fails.
    package var servers: [ServerAddress]
    package var tls: ClusterTLS
    package var credentials: CredentialSource
    /// What commands without a namespace mean; a pod's own when it came from inside the cluster.
    package var namespace: String
    /// Where all this was read, for messages.
    package var origin: String

    package init(
        servers: [ServerAddress], tls: ClusterTLS = ClusterTLS(), credentials: CredentialSource = .none,
        namespace: String = "default", origin: String = "settings"
    ) {
        self.servers = servers
        self.tls = tls
        self.credentials = credentials
        self.namespace = namespace
        self.origin = origin
    }
}

/// What the TLS connection to the API server needs.
package struct ClusterTLS: Hashable, Sendable {
    package enum Trust: Hashable, Sendable {
        case system
        /// Only these, PEM.
        case authorities([UInt8])
        /// Anybody who answers.
        case everybody
    }

    /// PEM: a certificate with those that vouch for it, and its key.
    package struct Identity: Hashable, Sendable {
        package var certificate: [UInt8]
        package var key: [UInt8]

        package init(certificate: [UInt8], key: [UInt8]) {
            self.certificate = certificate
            self.key = key
        }
    }

    package var trust: Trust
    /// The name in the server's certificate, where it is not the one in its address. A certificate for the IP address
    /// that we are connected to is good as well.
    package var serverName: String?
    package var identity: Identity?

    package init(trust: Trust = .system, serverName: String? = nil, identity: Identity? = nil) {
        self.trust = trust
        self.serverName = serverName
        self.identity = identity
    }
}

/// Who we are to the API server, apart from a TLS identity that never changes.
package enum CredentialSource: Hashable, Sendable {
    case none
    case token(String)
    /// Read for every request: tokens of service accounts are replaced in place.
    case tokenFile(String)
    case exec(ExecPlugin)
}

/// What keeps a configuration from being used.
package struct ConfigurationError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A path, or "environment".
    package let file: String
    /// `clusters[dev].cluster.server`; empty if it is the whole file.
    package let field: String
    package let text: String

    package init(file: String, field: String = "", _ text: String) {
        self.file = file
        self.field = field
        self.text = text
    }

    package var description: String { field.isEmpty ? "\(file): \(text)" : "\(file): \(field): \(text)" }
}

extension ClusterConfiguration {
    /// As kubectl looks for it, with the cluster that we run in before the home directory: `kubeconfig` if it is given,
    /// `KUBECONFIG`, a pod's service account, `~/.kube/config`.
    package static func find(
        kubeconfig: String? = nil, context: String? = nil, environment: [String: String]
    ) throws(ConfigurationError) -> ClusterConfiguration {
        if let kubeconfig {
            return try Kubeconfig.load([kubeconfig], mayBeMissing: false).configuration(context: context)
        }
        let files = (environment["KUBECONFIG"] ?? "").split(separator: ":").map(String.init)
        if !files.isEmpty {
            return try Kubeconfig.load(files, mayBeMissing: files.count > 1).configuration(context: context)
        }
        if context == nil, environment["KUBERNETES_SERVICE_HOST"] != nil {
            return try inCluster(environment: environment)
        }
        guard let home = environment["HOME"], !home.isEmpty else {
            throw ConfigurationError(
                file: "environment", "there is no KUBECONFIG, no HOME, and this is no pod (KUBERNETES_SERVICE_HOST)")
        }
        return try Kubeconfig.load(["\(home)/.kube/config"], mayBeMissing: false).configuration(context: context)
    }
}

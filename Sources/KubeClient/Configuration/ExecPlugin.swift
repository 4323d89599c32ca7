// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// A program that prints credentials (client.authentication.k8s.io).
package struct ExecPlugin: Hashable, Sendable {
    package enum Version: String, CaseIterable, Sendable {
        case v1 = "client.authentication.k8s.io/v1"
        case v1beta1 = "client.authentication.k8s.io/v1beta1"
    }

    package struct Variable: Hashable, Sendable {
        package let name: String
        package let value: String
    }

    /// What it is told of the cluster, if it asks for that.
    package struct Cluster: Hashable, Sendable {
        package let server: ServerAddress
        package let trust: ClusterTLS.Trust
        package let serverName: String?
    }

    package let version: Version
    /// A path, or a name to look for in PATH.
    package let command: String
    package let arguments: [String]
    /// Besides our own.
    package let environment: [Variable]
    /// How to get the command when it is missing.
    package let installHint: String?
    package let cluster: Cluster?
    /// File and field, for messages.
    package let origin: String

    /// KUBERNETES_EXEC_INFO.
    func information() throws -> String {
        var spec = ExecCredential.Spec(interactive: false)
        if let cluster {
            var info = ExecCredential.Cluster(server: cluster.server.url())
            info.tlsServerName = cluster.serverName
            switch cluster.trust {
            case .system: break
            case .everybody: info.insecureSkipTLSVerify = true
            case .authorities(let pem): info.certificateAuthorityData = Data(pem).base64EncodedString()
            }
            spec.cluster = info
        }
        let bytes = try encodeJSON(
            ExecCredential(apiVersion: version.rawValue, kind: "ExecCredential", spec: spec, status: nil))
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// What goes to an exec plugin (`spec`) and comes from it (`status`).
struct ExecCredential: Codable {
    struct Spec: Codable {
        let interactive: Bool
        var cluster: Cluster?
    }

    struct Cluster: Codable {
        let server: String
        var tlsServerName: String?
        var insecureSkipTLSVerify: Bool?
        var certificateAuthorityData: String?

        private enum CodingKeys: String, CodingKey {
            case server
            case tlsServerName = "tls-server-name"
            case insecureSkipTLSVerify = "insecure-skip-tls-verify"
            case certificateAuthorityData = "certificate-authority-data"
        }
    }

    struct Status: Codable {
        let expirationTimestamp: String?
        let token: String?
        let clientCertificateData: String?
        let clientKeyData: String?
    }

    let apiVersion: String
    let kind: String
    var spec: Spec?
    let status: Status?
}

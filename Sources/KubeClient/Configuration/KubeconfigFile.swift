// SPDX-License-Identifier: Apache-2.0

/// What a kubeconfig file may say (client-go's clientcmd v1 Config), the fields that are read. Those that can't be
/// obeyed are here too, so that they can be refused by name.
struct KubeconfigFile: Decodable {
    struct Named<Value: Decodable>: Decodable {
        let name: String
        let value: Value

        private struct Key: CodingKey {
            let stringValue: String
            var intValue: Int? { nil }

            init(stringValue: String) {
                self.stringValue = stringValue
            }

            init?(intValue: Int) { nil }
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: Key.self)
            name = try container.decode(String.self, forKey: Key(stringValue: "name"))
            value = try container.decode(Value.self, forKey: Key(stringValue: Self.field))
        }

        /// The lists differ in what they call their values.
        private static var field: String {
            switch Value.self {
            case is Cluster.Type: "cluster"
            case is Context.Type: "context"
            default: "user"
            }
        }
    }

    struct Cluster: Decodable {
        let server: String?
        let tlsServerName: String?
        let insecureSkipTLSVerify: Bool?
        let certificateAuthority: String?
        let certificateAuthorityData: String?
        let proxyURL: String?

        private enum CodingKeys: String, CodingKey {
            case server
            case tlsServerName = "tls-server-name"
            case insecureSkipTLSVerify = "insecure-skip-tls-verify"
            case certificateAuthority = "certificate-authority"
            case certificateAuthorityData = "certificate-authority-data"
            case proxyURL = "proxy-url"
        }
    }

    struct Context: Decodable {
        let cluster: String
        let user: String?
        let namespace: String?
    }

    struct User: Decodable {
        let token: String?
        let tokenFile: String?
        let clientCertificate: String?
        let clientCertificateData: String?
        let clientKey: String?
        let clientKeyData: String?
        let exec: Exec?
        let username: String?
        let authProvider: Ignored?
        let impersonate: String?

        private enum CodingKeys: String, CodingKey {
            case token, tokenFile, exec, username
            case clientCertificate = "client-certificate"
            case clientCertificateData = "client-certificate-data"
            case clientKey = "client-key"
            case clientKeyData = "client-key-data"
            case authProvider = "auth-provider"
            case impersonate = "as"
        }
    }

    struct Exec: Decodable {
        let apiVersion: String
        let command: String
        let args: [String]?
        let env: [Variable]?
        let installHint: String?
        let provideClusterInfo: Bool?
    }

    struct Variable: Decodable {
        let name: String
        let value: String
    }

    struct Ignored: Decodable {
        init(from decoder: any Decoder) {}
    }

    let currentContext: String?
    let clusters: [Named<Cluster>]?
    let contexts: [Named<Context>]?
    let users: [Named<User>]?

    private enum CodingKeys: String, CodingKey {
        case clusters, contexts, users
        case currentContext = "current-context"
    }
}

import Foundation
// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import NIOSSL
import Subprocess
import SystemPackage
import Testing

/// An authority, a server's certificate for 127.0.0.1 and "kubernetes", and a client's: made once, by openssl.
struct Certificates: Sendable {
    let authority: [UInt8]
    let server: (certificate: [UInt8], key: [UInt8])
    /// As the server's, but for the name "kubernetes" alone.
    let named: (certificate: [UInt8], key: [UInt8])
    let client: (certificate: [UInt8], key: [UInt8])

    static let shared = Task { try await make() }

    private static func make() async throws -> Certificates {
        try await withTemporaryFolder { folder in
            let script = """
                set -e
                ec='-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256'
                openssl req -x509 $ec -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt \\
                    -addext basicConstraints=critical,CA:TRUE
                issue() {
                    openssl req $ec -subj "$2" -keyout $1.key -out $1.csr
                    printf '%s\\n' "$3" > $1.ext
                    openssl x509 -req -in $1.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -sha256 \\
                        -extfile $1.ext -out $1.crt
                }
                issue server /CN=kube-apiserver 'subjectAltName=DNS:kubernetes,IP:127.0.0.1'
                issue named /CN=kube-apiserver 'subjectAltName=DNS:kubernetes'
                issue client /O=skein/CN=node-1 'extendedKeyUsage=clientAuth'
                """
            let result = try await Subprocess.run(
                .name("sh"), arguments: ["-c", script], workingDirectory: FilePath(folder.path), input: .none,
                output: .discarded, error: .string(limit: 1 << 20))
            try #require(result.terminationStatus.isSuccess, "\(result.standardError)")
            func file(_ name: String) throws -> [UInt8] { try #require(folder.read(name)) }
            return Certificates(
                authority: try file("ca.crt"), server: (try file("server.crt"), try file("server.key")),
                named: (try file("named.crt"), try file("named.key")),
                client: (try file("client.crt"), try file("client.key")))
        }
    }

    /// What the API server is started with; with `clients`, it takes only clients with a certificate.
    func serverConfiguration(clients: Bool, isNamed: Bool = false) throws -> TLSConfiguration {
        let server = isNamed ? named : server
        var configuration = TLSConfiguration.makeServerConfiguration(
            certificateChain: try NIOSSLCertificate.fromPEMBytes(server.certificate).map { .certificate($0) },
            privateKey: .privateKey(try NIOSSLPrivateKey(bytes: server.key, format: .pem)))
        if clients {
            configuration.certificateVerification = .noHostnameVerification
            configuration.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(authority))
        }
        return configuration
    }

    var clientIdentity: (certificate: String, key: String) {
        (String(decoding: client.certificate, as: UTF8.self), String(decoding: client.key, as: UTF8.self))
    }
}

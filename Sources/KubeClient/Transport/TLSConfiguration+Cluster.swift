// SPDX-License-Identifier: Apache-2.0
import NIOSSL

extension TLSConfiguration {
    /// For a cluster's servers. Throws NIOSSL's errors for what is no PEM; configurations are checked when they are read.
    static func client(_ tls: ClusterTLS, identity: ClusterTLS.Identity?) throws -> TLSConfiguration {
        var result = TLSConfiguration.makeClientConfiguration()
        switch tls.trust {
        case .system: break
        case .authorities(let pem): result.trustRoots = .certificates(try NIOSSLCertificate.fromPEMBytes(pem))
        case .everybody: result.certificateVerification = .none
        }
        if let identity {
            result.certificateChain = try NIOSSLCertificate.fromPEMBytes(identity.certificate).map { .certificate($0) }
            result.privateKey = .privateKey(try NIOSSLPrivateKey(bytes: identity.key, format: .pem))
        }
        return result
    }
}

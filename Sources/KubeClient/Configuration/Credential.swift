// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials

/// What goes with a request.
struct Credential: Equatable, Sendable {
    var token: String?
    var identity: ClusterTLS.Identity?
    /// When it must be replaced; nil: when it is refused.
    var expires: Date?

    init(token: String? = nil, identity: ClusterTLS.Identity? = nil, expires: Date? = nil) {
        self.token = token
        self.identity = identity
        self.expires = expires
    }
}

/// Why there is no credential.
struct CredentialError: Error, Equatable, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}

extension Credential {
    /// Reads what an exec plugin printed.
    init(execOutput: [UInt8], of plugin: ExecPlugin) throws(CredentialError) {
        let answer: ExecCredential
        do {
            answer = try decodeJSON(ExecCredential.self, from: execOutput)
        } catch {
            throw CredentialError("\(plugin.origin): what \(plugin.command) printed is not an ExecCredential: \(error)")
        }
        func wrong(_ text: String) -> CredentialError {
            CredentialError("\(plugin.origin): what \(plugin.command) printed: \(text)")
        }
        guard answer.kind == "ExecCredential" else { throw wrong("kind: \"\(answer.kind)\" is not ExecCredential") }
        guard answer.apiVersion == plugin.version.rawValue else {
            throw wrong("apiVersion: \"\(answer.apiVersion)\" is not \(plugin.version.rawValue)")
        }
        guard let status = answer.status else { throw wrong("status: is missing") }
        token = status.token.flatMap { $0.isEmpty ? nil : $0 }
        switch (status.clientCertificateData, status.clientKeyData) {
        case (nil, nil): identity = nil
        case (let certificate?, let key?):
            let identity = ClusterTLS.Identity(certificate: Array(certificate.utf8), key: Array(key.utf8))
            do {
                try checkCertificates(identity.certificate, file: "", field: "status.clientCertificateData")
                try checkKey(identity.key, file: "", field: "status.clientKeyData")
            } catch {
                throw wrong("\(error.field): \(error.text)")
            }
            self.identity = identity
        default: throw wrong("status: has one of clientCertificateData and clientKeyData without the other")
        }
        guard token != nil || identity != nil else { throw wrong("status: has neither token nor certificate") }
        if let text = status.expirationTimestamp {
            guard let date = parseTimestamp(text) else {
                throw wrong("status.expirationTimestamp: \"\(text)\" is not a time")
            }
            expires = date
        } else {
            expires = nil
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import NIOSSL

/// All of a file. `field` is the field that named it, in `referrer`.
func readFile(
    _ path: String, namedBy referrer: (file: String, field: String)? = nil
) throws(ConfigurationError) -> [UInt8] {
    do {
        return Array(try Data(contentsOf: URL(filePath: path)))
    } catch {
        let problem = FileManager.default.fileExists(atPath: path) ? "can't be read: \(error)" : "does not exist"
        guard let referrer else { throw ConfigurationError(file: path, problem) }
        throw ConfigurationError(file: referrer.file, field: referrer.field, "the file \(path) \(problem)")
    }
}

/// Throws if `pem` holds no certificate.
func checkCertificates(_ pem: [UInt8], file: String, field: String) throws(ConfigurationError) {
    let certificates: [NIOSSLCertificate]
    do {
        certificates = try NIOSSLCertificate.fromPEMBytes(pem)
    } catch {
        throw ConfigurationError(file: file, field: field, "is not a list of PEM certificates")
    }
    if certificates.isEmpty { throw ConfigurationError(file: file, field: field, "holds no certificate") }
}

/// Throws if `pem` is no key, or one with a passphrase.
func checkKey(_ pem: [UInt8], file: String, field: String) throws(ConfigurationError) {
    do {
        _ = try NIOSSLPrivateKey(bytes: pem, format: .pem)
    } catch {
        throw ConfigurationError(file: file, field: field, "is not a PEM key without a passphrase")
    }
}

extension String {
    /// Without spaces and line ends at both ends.
    var trimmingSpaces: String {
        var rest = self[...]
        while let first = rest.first, first.isWhitespace { rest.removeFirst() }
        while let last = rest.last, last.isWhitespace { rest.removeLast() }
        return String(rest)
    }
}

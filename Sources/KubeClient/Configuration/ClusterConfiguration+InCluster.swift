// SPDX-License-Identifier: Apache-2.0

extension ClusterConfiguration {
    /// Where a pod finds its service account.
    package static let serviceAccountDirectory = "/var/run/secrets/kubernetes.io/serviceaccount"

    /// What every pod is given: `KUBERNETES_SERVICE_HOST` and `_PORT`, a token that is read for each request, the
    /// cluster's authorities, and the pod's namespace.
    package static func inCluster(
        environment: [String: String], directory: String = serviceAccountDirectory
    ) throws(ConfigurationError) -> ClusterConfiguration {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], !host.isEmpty else {
            throw ConfigurationError(
                file: "environment", field: "KUBERNETES_SERVICE_HOST", "is not set: this is no pod")
        }
        let portText = environment["KUBERNETES_SERVICE_PORT"] ?? "443"
        guard let port = UInt16(portText), port > 0 else {
            throw ConfigurationError(
                file: "environment", field: "KUBERNETES_SERVICE_PORT", "\"\(portText)\" is not a port")
        }
        let token = "\(directory)/token"
        guard try !readFile(token).isEmpty else { throw ConfigurationError(file: token, "is empty") }
        let authorities = "\(directory)/ca.crt"
        let certificates = try readFile(authorities)
        try checkCertificates(certificates, file: authorities, field: "")
        // Not every projected volume has it.
        let namespace = (try? readFile("\(directory)/namespace")).map { String(decoding: $0, as: UTF8.self) } ?? ""
        let trimmed = namespace.trimmingSpaces
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        return ClusterConfiguration(
            servers: [ServerAddress(host: bare, port: Int(port))], tls: ClusterTLS(trust: .authorities(certificates)),
            credentials: .tokenFile(token), namespace: trimmed.isEmpty ? "default" : trimmed,
            origin: "the pod's service account")
    }
}

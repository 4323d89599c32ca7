// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import NetTypes

/// The base address of an API server.
package struct ServerAddress: Hashable, Sendable {
    package let isTLS: Bool
    /// A name or an address, IPv6 without brackets.
    package let host: String
    package let port: Int
    /// In front of every path: empty, or "/k8s/clusters/x".
    package let prefix: String

    package init(isTLS: Bool = true, host: String, port: Int, prefix: String = "") {
        self.isTLS = isTLS
        self.host = host
        self.port = port
        self.prefix = prefix
    }

    /// `https://host[:port][/prefix]`, or http; nil for what is neither, and for a query, a fragment or a user.
    package init?(url text: String) {
        guard let url = URL(string: text), let scheme = url.scheme?.lowercased(), scheme == "https" || scheme == "http",
            let host = url.host, !host.isEmpty, url.query == nil, url.fragment == nil, url.user == nil
        else { return nil }
        let bare = host.hasPrefix("[") && host.hasSuffix("]") ? String(host.dropFirst().dropLast()) : host
        var path = url.path
        while path.hasSuffix("/") { path.removeLast() }
        self.init(isTLS: scheme == "https", host: bare, port: url.port ?? (scheme == "https" ? 443 : 80), prefix: path)
    }

    /// IPv6 in brackets (RFC 3986, 3.2.2).
    private static func bracketed(_ host: String) -> String {
        host.contains(":") && !host.hasPrefix("[") ? "[\(host)]" : host
    }

    /// Without a slash at its end; `name` stands in for the host.
    func url(as name: String? = nil) -> String {
        "\(isTLS ? "https" : "http")://\(Self.bracketed(name ?? host)):\(port)\(prefix)"
    }
}

extension ServerAddress: CustomStringConvertible {
    package var description: String { url() }
}

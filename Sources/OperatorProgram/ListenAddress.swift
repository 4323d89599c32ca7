// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NetTypes

/// Where to listen; nowhere if there is no host.
struct ListenAddress: CustomStringConvertible {
    let host: String
    let port: Int

    init(host: String, port: Int) {
        self.host = host
        self.port = port
    }

    init(_ text: String) throws {
        guard text != "none" else {
            self.init(host: "", port: 0)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]), port > 0 else {
            throw ValidationError("\"\(text)\" is not address:port")
        }
        var host = text[..<colon]
        if host.first == "[", host.last == "]" { host = host.dropFirst().dropLast() }
        guard IPAddress(host) != nil || host == "localhost" else {
            throw ValidationError("\"\(text)\" does not begin with an address")
        }
        self.init(host: String(host), port: Int(port))
    }

    var description: String { host.isEmpty ? "none" : host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

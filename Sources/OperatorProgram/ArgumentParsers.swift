// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NetTypes

func parsePrefix(_ text: String) throws -> Prefix {
    guard let prefix = Prefix(text) else {
        throw ValidationError("\"\(text)\" is not a range such as 10.0.0.0/8 or fd00:10::/48")
    }
    return prefix
}

/// Whole seconds, minutes or hours: 90s, 15m, 2h; without a letter, seconds.
func parseTime(_ text: String) throws -> Duration {
    let units: [Character: Int64] = ["s": 1, "m": 60, "h": 3_600]
    let unit = text.last.flatMap { units[$0] }
    guard let number = Int64(unit == nil ? text : String(text.dropLast())), (1...604_800).contains(number) else {
        throw ValidationError("\"\(text)\" is not a time such as 90s, 15m or 2h")
    }
    return .seconds(number * (unit ?? 1))
}

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

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NetTypes

// Turns the text of a flag into its value. ArgumentParser puts the flag's name in front of what these throw.

func parsePrefix(_ text: String) throws -> Prefix {
    guard let prefix = Prefix(text) else {
        throw ValidationError("\"\(text)\" is not a range such as 10.244.1.0/24 or fd00:10:244:1::/64")
    }
    return prefix
}

func parseAddress(_ text: String) throws -> IPAddress {
    guard let address = IPAddress(text) else {
        throw ValidationError("\"\(text)\" is not an IPv4 or IPv6 address")
    }
    return address
}

/// Whole seconds, with or without a unit: 90, 90s, 15m, 2h.
func parseSeconds(_ text: String) throws -> Double {
    let units: [Character: Int] = ["s": 1, "m": 60, "h": 3_600]
    var digits = Substring(text)
    var unit = 1
    if let last = text.last, let known = units[last] {
        unit = known
        digits = text.dropLast()
    }
    guard let number = Int(digits), case let (seconds, overflow) = number.multipliedReportingOverflow(by: unit),
        !overflow, (1...604_800).contains(seconds)
    else {
        throw ValidationError("\"\(text)\" is not a time from 1s to 168h, such as 90s, 15m or 2h")
    }
    return Double(seconds)
}

/// A number of elements for a map. The upper bound keeps a slip of the finger from asking for the whole memory.
func parseMapSize(_ text: String) throws -> Int {
    guard let size = Int(text), (16...16_777_216).contains(size) else {
        throw ValidationError("\"\(text)\" is not a number of map entries from 16 to 16777216")
    }
    return size
}

func parseMTU(_ text: String) throws -> UInt32 {
    guard let mtu = UInt32(text), (1_280...65_535).contains(mtu) else {
        throw ValidationError("\"\(text)\" is not an MTU from 1280 (what IPv6 needs) to 65535")
    }
    return mtu
}

/// An absolute path without a trailing slash.
func parsePath(_ text: String) throws -> String {
    guard text.hasPrefix("/") else {
        throw ValidationError("\"\(text)\" is not an absolute path")
    }
    var path = text
    while path.count > 1, path.hasSuffix("/") { path.removeLast() }
    return path
}

/// A Unix socket's path must fit into `sockaddr_un` with the suffix that it has before the server is ready.
func parseSocketPath(_ text: String) throws -> String {
    let path = try parsePath(text)
    guard path.utf8.count <= 90 else {
        throw ValidationError("\"\(text)\" is too long for a Unix socket: 90 bytes at most")
    }
    return path
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import NetTypes
import ProgramOptions

// Turns the text of a flag into its value. ArgumentParser puts the flag's name in front of what these throw.

func parseAddress(_ text: String) throws -> IPAddress {
    guard let address = IPAddress(text) else {
        throw ValidationError("\"\(text)\" is not an IPv4 or IPv6 address")
    }
    return address
}

/// As `parseTime`, in seconds.
func parseSeconds(_ text: String) throws -> Double {
    Double(try parseTime(text).components.seconds)
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

// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What `main` needs of the process.
package enum StandardStreams {
    /// More than any configuration with its previous result has.
    private static let limit = 16 << 20

    /// Standard input to its end.
    package static func readInput() throws -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16_384)
        while true {
            let count = unsafe chunk.withUnsafeMutableBytes { unsafe read(0, $0.baseAddress, $0.count) }
            if count == 0 { return bytes }
            if count < 0 {
                if errno == EINTR { continue }
                throw StreamError(errno: errno)
            }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { throw StreamError(errno: EFBIG) }
        }
    }

    /// False when standard output is closed or full: the runtime can't know the result then.
    package static func writeOutput(_ text: String) -> Bool {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = unsafe rest.withUnsafeBytes { unsafe write(1, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                return false
            }
            rest = rest.dropFirst(count)
        }
        return true
    }

    /// The value of an environment variable.
    package static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

/// Standard input could not be read.
struct StreamError: Error, CustomStringConvertible {
    let errno: Int32

    var description: String {
        guard let text = unsafe strerror(errno) else { return "errno \(errno)" }
        return unsafe String(cString: text)
    }
}

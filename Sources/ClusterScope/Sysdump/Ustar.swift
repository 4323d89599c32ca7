// SPDX-License-Identifier: Apache-2.0

/// Entries of a POSIX.1-1988 tar archive (ustar), with a POSIX.1-2001 (pax) record before names that don't fit.
package enum Ustar {
    private static let block = 512
    private static let maximumName = 100
    private static let maximumPrefix = 155
    /// 11 octal digits.
    private static let maximumSize = 0o77_777_777_777

    package struct TooLarge: Error, Equatable {}

    /// A regular file with its contents, padded to whole blocks.
    /// - Parameters:
    ///   - path: relative, with "/" between its parts.
    ///   - time: seconds since 1970.
    package static func entry(_ path: String, _ contents: [UInt8], time: Int64) throws(TooLarge) -> [UInt8] {
        guard contents.count <= maximumSize else { throw TooLarge() }
        var result: [UInt8] = []
        if let (name, prefix) = split(path) {
            result = header(name: name, prefix: prefix, size: contents.count, time: time, type: "0")
        } else {
            let record = paxRecord("path", path)
            result = header(name: Array("pax".utf8), prefix: [], size: record.count, time: time, type: "x")
            append(record, to: &result)
            let short = Array(path.utf8.suffix(maximumName))
            result += header(name: short, prefix: [], size: contents.count, time: time, type: "0")
        }
        append(contents, to: &result)
        return result
    }

    /// What stands behind the last entry.
    package static let end = [UInt8](repeating: 0, count: 2 * block)

    private static func append(_ bytes: [UInt8], to result: inout [UInt8]) {
        result += bytes
        let rest = bytes.count % block
        if rest > 0 { result += [UInt8](repeating: 0, count: block - rest) }
    }

    /// nil: it fits nowhere.
    private static func split(_ path: String) -> (name: [UInt8], prefix: [UInt8])? {
        let bytes = Array(path.utf8)
        if bytes.count <= maximumName { return (bytes, []) }
        // The longest prefix leaves the shortest name.
        let slashes = bytes.indices.filter { bytes[$0] == UInt8(ascii: "/") && $0 <= maximumPrefix }
        guard let slash = slashes.last, bytes.count - slash - 1 <= maximumName, slash + 1 < bytes.count else {
            return nil
        }
        return (Array(bytes[(slash + 1)...]), Array(bytes[..<slash]))
    }

    /// "27 path=…\n": its length, which counts its own digits.
    private static func paxRecord(_ key: String, _ value: String) -> [UInt8] {
        let rest = " \(key)=\(value)\n"
        var length = rest.utf8.count
        while "\(length)".utf8.count + rest.utf8.count != length { length = "\(length)".utf8.count + rest.utf8.count }
        return Array("\(length)\(rest)".utf8)
    }

    private static func header(name: [UInt8], prefix: [UInt8], size: Int, time: Int64, type: Character) -> [UInt8] {
        var header = [UInt8](repeating: 0, count: block)
        func put(_ bytes: some Collection<UInt8>, at offset: Int) {
            header.replaceSubrange(offset..<(offset + bytes.count), with: bytes)
        }
        put(name, at: 0)
        put(octal(0o600, digits: 7), at: 100)
        put(octal(0, digits: 7), at: 108)
        put(octal(0, digits: 7), at: 116)
        put(octal(size, digits: 11), at: 124)
        put(octal(Int(max(time, 0)), digits: 11), at: 136)
        put(String(type).utf8, at: 156)
        put("ustar\0".utf8, at: 257)
        put("00".utf8, at: 263)
        put(prefix, at: 345)
        // The sum is made with spaces in its own place.
        put([UInt8](repeating: UInt8(ascii: " "), count: 8), at: 148)
        let sum = header.reduce(0) { $0 + Int($1) }
        put(octal(sum, digits: 6) + [0], at: 148)
        return header
    }

    private static func octal(_ number: Int, digits: Int) -> [UInt8] {
        let text = String(number, radix: 8)
        return Array((String(repeating: "0", count: max(0, digits - text.count)) + text).utf8)
    }
}

// SPDX-License-Identifier: Apache-2.0

extension AttachmentReference {
    /// Name of the host side of this endpoint's veth: "skn" and 11 hexadecimal digits (44 bits of a hash of both
    /// parts), so 14 characters, one less than a device name may have.
    ///
    /// It follows from the names alone, so that whoever comes next, DEL, another ADD or the agent after a restart, finds
    /// what a killed ADD left behind.
    package var hostInterfaceName: String {
        var hash: UInt64 = 0xcbf2_9ce4_8422_2325  // FNV-1a, 64 bits
        func add(_ byte: UInt8) {
            hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3
        }
        for byte in containerID.utf8 { add(byte) }
        add(0)  // in neither part
        for byte in interface.utf8 { add(byte) }
        // FNV leaves the last bytes' effect in few bits: spread it.
        hash ^= hash >> 33
        hash = hash &* 0xff51_afd7_ed55_8ccd
        hash ^= hash >> 33
        let digits = String(hash >> 20, radix: 16)
        return "skn" + String(repeating: "0", count: 11 - digits.utf8.count) + digits
    }

    /// Path of the endpoint's resource in the agent's API, percent-encoded.
    package var path: String {
        APIPath.endpoints + "/" + APIPath.encode(containerID) + "/" + APIPath.encode(interface)
    }
}

/// Paths of the agent's API.
package enum APIPath {
    package static let status = "/v1/status"
    package static let ready = "/v1/ready"
    package static let endpoints = "/v1/endpoints"
    package static let identities = "/v1/identities"
    package static let policies = "/v1/policies"
    package static let explain = "/v1/policies/explain"
    package static let maps = "/v1/maps"
    package static let denyLists = "/v1/denylists"
    package static let gc = "/v1/gc"
    package static let monitor = "/v1/monitor"

    /// Percent-encodes all but the unreserved characters of RFC 3986, section 2.3: safe as a segment of a path and as
    /// the value of a query.
    package static func encode(_ text: String) -> String {
        var result = ""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
                UInt8(ascii: "~"):
                result.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 16, uppercase: true)
                result += (byte < 16 ? "%0" : "%") + digits
            }
        }
        return result
    }

    /// What `encode` made text of; nil for anything that is not percent-encoded UTF-8.
    package static func decode(_ text: some StringProtocol) -> String? {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            guard digits.utf8.count == 2, let value = UInt8(digits, radix: 16) else { return nil }
            bytes.append(value)
            rest.removeFirst(2)
        }
        return String(validating: bytes, as: UTF8.self)
    }
}

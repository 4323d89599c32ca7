// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A kernel release: the three numbers that order it.
package struct KernelVersion: Hashable, Sendable {
    package let major: Int
    package let minor: Int
    package let patch: Int

    package init(_ major: Int, _ minor: Int, _ patch: Int = 0) {
        (self.major, self.minor, self.patch) = (major, minor, patch)
    }

    /// From uname's text ("6.1.0-18-amd64"): the leading numbers, missing ones being 0. nil without any.
    package init?(release: some StringProtocol) {
        var numbers: [Int] = []
        for part in release.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false) {
            let digits = part.prefix { $0.isASCII && $0.isNumber }
            guard let number = Int(digits) else { break }
            numbers.append(number)
            if digits.count < part.count { break }
        }
        guard let major = numbers.first else { return nil }
        self.init(major, numbers.count > 1 ? numbers[1] : 0, numbers.count > 2 ? numbers[2] : 0)
    }

    /// That of the running kernel, and its full release text.
    package static func running() throws(SystemError) -> (version: KernelVersion, release: String) {
        var name = utsname()
        try retrying("uname") { unsafe uname(&name) }
        let release = unsafe withUnsafePointer(to: &name.release) { pointer in
            unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 65) { unsafe String(cString: $0) }
        }
        guard let version = KernelVersion(release: release) else {
            throw SystemError("uname", .invalid, release)
        }
        return (version, release)
    }
}

extension KernelVersion: Comparable {
    package static func < (a: KernelVersion, b: KernelVersion) -> Bool {
        (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch)
    }
}

extension KernelVersion: CustomStringConvertible {
    package var description: String { "\(major).\(minor).\(patch)" }
}

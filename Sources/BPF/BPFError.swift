// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Kernel

/// A failed bpf(2) or libbpf call: what was tried, on which object, why, and what libbpf said about it.
package struct BPFError: Error, Sendable, CustomStringConvertible {
    package enum Reason: Hashable, Sendable {
        /// `errno` says it all.
        case system
        /// The map holds as many entries as it was made for.
        case full(map: String, maxEntries: Int)
        /// An index at or past the end of an array.
        case outOfRange(map: String, maxEntries: Int)
        /// The kernel's or the object file's layout is not the one that this program was built with.
        case layout(String)
        /// The object file has no map or program of that name.
        case missing(String)
    }

    /// The operation in words, as in "look up".
    package let operation: String
    /// What it was applied to, as in "map flows"; the path for object files and pins.
    package let subject: String
    package let errno: Errno
    package let reason: Reason
    /// The last lines that libbpf printed, the verifier's log included; mostly empty.
    package let log: String

    package init(
        _ operation: String, _ subject: String, errno: Int32, reason: Reason = .system, log: String = ""
    ) {
        self.operation = operation
        self.subject = subject
        self.errno = Errno(rawValue: errno)
        self.reason = reason
        self.log = log
    }

    /// The map's name, when this error means that it is full.
    package var fullMap: String? {
        if case .full(let map, _) = reason { map } else { nil }
    }

    package var description: String {
        let cause =
            switch reason {
            case .system where errno == .notSupportedByKernel: "operation not supported by this kernel"
            case .system: errno.description
            case .full(let map, let maxEntries): "map \(map) is full (\(maxEntries) entries)"
            case .outOfRange(let map, let maxEntries): "index is past the end of map \(map) (\(maxEntries) entries)"
            case .layout(let difference): difference
            case .missing(let what): "no such \(what)"
            }
        let head = "cannot \(operation) \(subject): \(cause)"
        return log.isEmpty ? head : head + "\n" + log
    }
}

extension Errno {
    /// ENOTSUPP, a number of the kernel's own that bpf(2) lets out; the C library has no text for it.
    package static let notSupportedByKernel = Errno(rawValue: 524)
}

/// Turns a -errno result into an error. The texts are only made when there is one.
@discardableResult
func check(
    _ result: Int32, _ operation: @autoclosure () -> String, _ subject: @autoclosure () -> String
) throws(BPFError) -> Int32 {
    if result >= 0 { return result }
    throw BPFError(operation(), subject(), errno: -result)
}

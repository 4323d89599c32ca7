// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Kernel settings under /proc/sys. Those under `net/` are the calling thread's network namespace's: use
/// ``NetworkNamespace/run(_:)`` for another's.
package enum Sysctl {
    /// What containers see as /proc/sys is closed to them: whoever runs one mounts the node's (`net/` is enough) and names
    /// that folder in the environment.
    package static let folderVariable = "SKEIN_PROC_SYS"
    private static let folder = unsafe getenv(folderVariable).map { unsafe String(cString: $0) } ?? "/proc/sys"

    /// A name is a path below /proc/sys ("net/ipv4/conf/eth0.1/forwarding"): slashes, as a link's name may have dots.
    package static func path(of name: String) -> String { "\(folder)/\(name)" }

    /// The value without the line's end. ENOENT for a setting that the kernel doesn't have.
    package static func read(_ name: String) throws(SystemError) -> String {
        var bytes = try AtomicFile.read(path(of: name))
        while let last = bytes.last, last == UInt8(ascii: "\n") { bytes.removeLast() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// Sets a value. Idempotent.
    package static func write(_ name: String, _ value: String) throws(SystemError) {
        let path = path(of: name)
        let file = try OwnedFD.open(path, O_WRONLY)
        // In one call: the kernel takes each write as a whole value.
        try file.writeAll(Array(value.utf8), "\(path) \(value)")
    }

    /// Sets a value if it isn't already so, which needs no right to write then. True if it wrote.
    @discardableResult
    package static func ensure(_ name: String, _ value: String) throws(SystemError) -> Bool {
        if try read(name) == value { return false }
        try write(name, value)
        return true
    }
}

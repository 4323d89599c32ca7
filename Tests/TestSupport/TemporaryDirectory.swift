// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Kernel

/// A directory that goes away with everything in it when the last reference does.
package final class TemporaryDirectory: Sendable {
    package let path: String

    /// Made with mode 0700 below `parent`.
    package init(in parent: String = "/tmp", prefix: String = "skein-test-") throws(SystemError) {
        path = parent + "/" + UniqueName.make(prefix)
        try Directory.create(path)
    }

    /// For pins: below /sys/fs/bpf, which is mounted if it is not.
    package static func forPins() throws(SystemError) -> TemporaryDirectory {
        try BPFFS.ensureMounted()
        return try TemporaryDirectory(in: BPFFS.defaultMount)
    }

    /// The path of a file in it.
    package func file(_ name: String) -> String { path + "/" + name }

    deinit {
        do {
            try Directory.removeTree(path)
        } catch {
            print("cannot remove \(path): \(error)")
        }
    }
}

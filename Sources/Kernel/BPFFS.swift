// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// The filesystem in which maps, programs and links are pinned.
package enum BPFFS {
    /// Where distributions mount it.
    package static let defaultMount = "/sys/fs/bpf"

    /// Whether `path` lies on it. ENOENT if there is no such path.
    package static func isMounted(at path: String) throws(SystemError) -> Bool {
        try checking("statfs", path) { unsafe clinux_is_bpffs(path) } == 1
    }

    /// Mounts it at `path` if there is none. True if it did. The mount outlives the process.
    @discardableResult
    package static func ensureMounted(at path: String = defaultMount) throws(SystemError) -> Bool {
        do {
            if try isMounted(at: path) { return false }
        } catch {
            guard error.errno == .noEntry else { throw error }
            try Directory.create(path)
        }
        let flags = MS_NOSUID | MS_NODEV | MS_NOEXEC
        try retrying("mount bpf", path) { unsafe mount("bpf", path, "bpf", UInt(flags), "mode=0700") }
        return true
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Which file is at a path: another one that takes its name is told from it.
package struct FileIdentity: Hashable, Sendable {
    private let device: UInt64
    private let inode: UInt64

    /// Of the path itself, if it is a symbolic link.
    package init(_ path: String) throws(SystemError) {
        var info = stat()
        try retrying("lstat", path) { unsafe lstat(path, &info) }
        device = UInt64(info.st_dev)
        inode = UInt64(info.st_ino)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import TestSupport

/// A bpf file system of one's own below /tmp, unmounted with the last reference.
final class PinMount {
    let path: String
    private let folder: TemporaryDirectory

    init() throws {
        _ = Self.removeOrphans
        folder = try TemporaryDirectory(prefix: Self.prefix + "\(getpid())-")
        path = folder.file("bpf")
        try BPFFS.ensureMounted(at: path)
    }

    deinit {
        // Pins hold what they pin only as long as the file system is there.
        if unsafe umount2(path, Int32(MNT_DETACH)) != 0 { print("cannot unmount \(path): \(errno)") }
    }

    private static let prefix = "skein-datapath-"

    /// Once in a process: what test processes that were killed have left.
    private static let removeOrphans: Void = {
        for name in (try? Directory.names(in: "/tmp")) ?? [] where name.hasPrefix(prefix) {
            let process = name.dropFirst(prefix.count).prefix { $0 != "-" }
            guard let pid = pid_t(process), kill(pid, 0) != 0, errno == ESRCH else { continue }
            _ = unsafe umount2("/tmp/\(name)/bpf", Int32(MNT_DETACH))
            try? Directory.removeTree("/tmp/\(name)")
        }
    }()
}

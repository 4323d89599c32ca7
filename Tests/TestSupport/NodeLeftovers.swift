// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Synchronization

/// What test processes that were killed have left on the machine.
enum TestLeftovers {
    private static let isDone = Mutex(false)

    /// Removes it, once in the life of this process. Nothing of a process that still runs is touched.
    static func removeOnce() {
        let first = isDone.withLock { isDone in
            defer { isDone = true }
            return !isDone
        }
        guard first else { return }
        for parent in ["/tmp", "/dev/shm"] { removeFolders(in: parent) }
        for name in (try? NetworkNamespace.names()) ?? [] {
            guard let owner = UniqueName.owner(of: name, prefix: TestNamespace.prefix), !Processes.isAlive(owner) else {
                continue
            }
            try? NetworkNamespace.delete(named: name)
        }
    }

    private static func removeFolders(in parent: String) {
        for name in (try? Directory.namesIfThere(in: parent)) ?? [] {
            guard let owner = UniqueName.owner(of: name, prefix: "skein-test-"), !Processes.isAlive(owner) else {
                continue
            }
            let folder = "\(parent)/\(name)"
            endAgent(of: folder)
            _ = unsafe umount2("\(folder)/bpf", Int32(MNT_DETACH))
            try? Directory.removeTree(folder)
        }
    }

    /// The agent that works on a folder of ours says its number in the lock file.
    private static func endAgent(of folder: String) {
        guard let bytes = try? AtomicFile.read("\(folder)/run/agent.lock"),
            let line = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first,
            let pid = pid_t(line),
            let command = try? AtomicFile.read("/proc/\(pid)/cmdline"),
            String(decoding: command, as: UTF8.self).contains(folder)
        else { return }
        kill(pid, SIGKILL)
    }
}

extension UniqueName {
    /// The process that made a name; nil for one that ``make(_:)`` did not make with this prefix.
    static func owner(of name: String, prefix: String) -> pid_t? {
        guard name.hasPrefix(prefix), let number = UInt64(name.dropFirst(prefix.count), radix: 36) else { return nil }
        return pid_t(exactly: number >> 16)
    }
}

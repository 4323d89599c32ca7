// SPDX-License-Identifier: Apache-2.0
import AgentIPC
import Glibc
package import Kernel

/// The agent's folder for what has to outlive the process, but not the node (a tmpfs): endpoints, notes about deleted
/// ones, the pools' order, the lock and the socket.
package struct RunDirectory: Sendable {
    package let path: String

    package init(_ path: String) {
        self.path = path
    }

    package var endpoints: String { path + "/endpoints" }
    package var deleted: String { Tombstone.directory(in: path) }
    package var pools: String { path + "/pools.json" }
    /// Last good versions of the manifests.
    package var manifests: String { path + "/manifests" }
    /// Last good versions of the deny lists.
    package var denyLists: String { path + "/deny-lists" }
    package var lock: String { path + "/agent.lock" }
    package var socket: String { path + "/agent.sock" }

    /// Makes the folders where they are missing; for root's eyes only.
    package func prepare() throws(SystemError) {
        try Directory.create(path)
        try Directory.create(endpoints)
        try Directory.create(deleted)
    }

    /// Takes the lock that one agent at a time can have; it is free again when the value is gone, or its process.
    package func takeLock() throws -> RunLock { try RunLock(path: lock, directory: path) }

    /// Removes all of it, as for an uninstallation. The folder itself stays if somebody put other files there.
    package func remove() throws(SystemError) {
        for folder in [endpoints, deleted, manifests, denyLists] { try Directory.removeTree(folder) }
        for file in [pools, socket, lock] { try AtomicFile.remove(file) }
        try SystemError.ignoring(.notEmpty) { () throws(SystemError) in try Directory.remove(path) }
    }
}

/// Holds the lock file of a run directory.
package final class RunLock: Sendable {
    private let file: OwnedFD

    /// - Throws: `RunDirectoryBusy` when another process has it.
    init(path: String, directory: String) throws {
        let file = try OwnedFD.open(path, O_RDWR | O_CREAT, mode: 0o600)
        let raw = file.raw
        if flock(raw, LOCK_EX | LOCK_NB) != 0 {
            guard errno == EWOULDBLOCK else { throw SystemError("flock", Errno(rawValue: errno), path) }
            let pid = String(decoding: try file.readAll(path), as: UTF8.self).split(separator: "\n").first
            throw RunDirectoryBusy(directory: directory, pid: pid.flatMap { Int32($0) })
        }
        _ = ftruncate(raw, 0)
        try file.writeAll(Array("\(getpid())\n".utf8), path)
        self.file = file
    }
}

/// Another agent works on this run directory.
package struct RunDirectoryBusy: Error, CustomStringConvertible {
    package let directory: String
    package let pid: Int32?

    package var description: String {
        let who = pid.map { " (pid \($0))" } ?? ""
        return
            "another skein-agent\(who) is running on \(directory): stop it first, or give this one another --run-dir "
            + "and --bpffs"
    }
}

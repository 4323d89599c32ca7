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
    /// What was known last of the cluster.
    package var cluster: String { path + "/cluster" }
    package var lock: String { path + "/agent.lock" }
    /// Whether the agent has RCU hurrying, see `ExpeditedRCU`.
    package var rcuMarker: String { path + "/rcu-expedited" }
    package var socket: String { path + "/agent.sock" }

    /// Makes the folders where they are missing; for root's eyes only.
    ///
    /// - Throws: SystemError, also if one of them is a symbolic link, or somebody else may write there: what lies in them
    ///   decides which devices live.
    package func prepare() throws(SystemError) {
        for folder in [path, endpoints, deleted] {
            try Directory.create(folder)
            try Directory.requirePrivate(folder)
        }
    }

    /// No agent has worked with it yet.
    package var isFresh: Bool { unsafe access(endpoints, F_OK) != 0 }

    /// Takes the lock that one agent at a time can have; it is free again when the value is gone, or its process.
    package func takeLock() throws -> RunLock { try RunLock(path: lock, directory: path) }

    /// Removes all of it, as for an uninstallation, but for the records of endpoints: pods that still run are adopted by
    /// them when an agent comes back. The folder itself stays if anything is left in it.
    package func remove() throws(SystemError) {
        for folder in [deleted, manifests, denyLists, cluster] { try Directory.removeTree(folder) }
        try SystemError.ignoring(.notEmpty) { () throws(SystemError) in try Directory.remove(endpoints) }
        for file in [pools, socket, rcuMarker, lock] { try AtomicFile.remove(file) }
        // A container has it as a mount point.
        try SystemError.ignoring(.notEmpty, .busy) { () throws(SystemError) in try Directory.remove(path) }
    }
}

/// Holds the lock file of a run directory.
package final class RunLock: Sendable {
    private let file: OwnedFD

    /// - Throws: `RunDirectoryBusy` when another process has it.
    init(path: String, directory: String) throws {
        let file = try OwnedFD.open(path, O_RDWR | O_CREAT | O_NOFOLLOW, mode: 0o600)
        guard try file.lock(path) else {
            let pid = String(decoding: try file.readAll(path), as: UTF8.self).split(separator: "\n").first
            throw RunDirectoryBusy(directory: directory, pid: pid.flatMap { Int32($0) })
        }
        _ = ftruncate(file.raw, 0)
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

/// The node has running pods that a run directory which was never used can't know: it is most likely the wrong one, and to
/// go on would be to take their network away.
package struct ForeignPods: Error, CustomStringConvertible {
    package let description: String

    init(directory: String, _ links: [HostLink]) {
        description =
            "\(directory) is new, but the node has \(links.count) devices of running pods (\(links[0].name), ...): start "
            + "the agent with the --run-dir that it had before; if that is lost, delete the pods or their devices first"
    }
}

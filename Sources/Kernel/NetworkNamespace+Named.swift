// SPDX-License-Identifier: Apache-2.0
import Glibc

extension NetworkNamespace {
    /// Where named namespaces are mounted, the same as ip-netns(8) uses.
    package static let directory = "/run/netns"

    /// The path of a named namespace.
    package static func path(of name: String) -> String { "\(directory)/\(name)" }

    /// Creates a namespace and keeps it by a bind mount under ``directory``, so that `ip netns` shows it.
    /// EEXIST if the name is taken. Leaves nothing behind when it fails.
    package static func create(named name: String) throws(SystemError) -> NetworkNamespace {
        let path = path(of: name)
        try Directory.create(directory, mode: 0o755)
        do {
            _ = try OwnedFD.open(path, O_RDONLY | O_CREAT | O_EXCL)
        }
        do {
            let namespace = try anonymous()
            // Through /proc, as a mount needs a path and the namespace has no other.
            let source = "/proc/thread-self/fd/\(namespace.fd.raw)"
            try retrying("mount", path) { unsafe mount(source, path, "none", UInt(MS_BIND), nil) }
            return namespace
        } catch {
            _ = unsafe unlink(path)
            throw error
        }
    }

    /// Unmounts and removes a named namespace. One that is not there is no error. The namespace itself lives on
    /// while a process or a descriptor holds it.
    package static func delete(named name: String) throws(SystemError) {
        let path = path(of: name)
        // EINVAL: a file without a mount, which a crash between the two steps leaves.
        try SystemError.ignoring(.invalid, .noEntry) { () throws(SystemError) in
            try retrying("umount", path) { unsafe umount2(path, Int32(MNT_DETACH)) }
        }
        try SystemError.ignoring(.noEntry) { () throws(SystemError) in
            try retrying("unlink", path) { unsafe unlink(path) }
        }
    }

    /// The names of all named namespaces, sorted.
    package static func names() throws(SystemError) -> [String] {
        do {
            return try Directory.names(in: directory)
        } catch {
            guard error.errno == .noEntry else { throw error }
            return []
        }
    }
}

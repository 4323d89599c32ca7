// SPDX-License-Identifier: Apache-2.0
import CLinux
package import Glibc

/// A network namespace, held open: it lives at least as long as this value.
package struct NetworkNamespace: ~Copyable, Sendable {
    /// A descriptor of the namespace, as IFLA_NET_NS_FD and setns(2) take it.
    package let fd: OwnedFD

    /// Takes over a descriptor of a network namespace.
    package init(adopting fd: consuming OwnedFD) {
        self.fd = fd
    }

    /// Opens a namespace by path: a bind mount such as /run/netns/NAME, or /proc/PID/ns/net.
    /// EINVAL if there is something else at the path.
    package init(path: String) throws(SystemError) {
        // Something else at the path, a FIFO perhaps, must not keep the caller waiting.
        let fd = try OwnedFD.open(path, O_RDONLY | O_NONBLOCK)
        // Without this check a wrong path shows up only later, as an EINVAL of setns or of netlink.
        guard try checking("statfs", path, { unsafe clinux_is_nsfs(path) }) == 1 else {
            throw SystemError("open network namespace", .invalid, path)
        }
        self.fd = fd
    }

    /// The namespace of a process.
    package init(pid: pid_t) throws(SystemError) {
        fd = try OwnedFD.open("/proc/\(pid)/ns/net", O_RDONLY)
    }

    /// The namespace of the calling thread.
    package static func current() throws(SystemError) -> NetworkNamespace {
        NetworkNamespace(adopting: try OwnedFD.open("/proc/thread-self/ns/net", O_RDONLY))
    }

    /// A new empty namespace (only `lo`, down). It is gone when the last descriptor, process and mount of it is.
    package static func anonymous() throws(SystemError) -> NetworkNamespace {
        let old = try current()
        try checking("unshare") { clinux_unshare_network() }
        // From here on the thread must come back, whatever fails.
        let made = Result { () throws(SystemError) in try current() }
        old.enterOrStop()
        return try made.get()
    }

    /// Tells namespaces apart: equal exactly if both are the same one.
    package struct ID: Hashable, Sendable, CustomStringConvertible {
        let device: UInt64
        /// The number that `readlink /proc/PID/ns/net` shows.
        package let inode: UInt64

        package var description: String { "net:[\(inode)]" }
    }

    package var id: ID {
        get throws(SystemError) {
            let raw = fd.raw
            var info = stat()
            try retrying("fstat", "network namespace") { unsafe fstat(raw, &info) }
            return ID(device: UInt64(info.st_dev), inode: UInt64(info.st_ino))
        }
    }

    /// Runs `body` in this namespace, on the calling thread, and comes back however it ends.
    ///
    /// Sockets, /proc/sys/net and /proc/net that `body` opens are this namespace's, and stay so. It must not
    /// wait for other threads to have the same view: they don't change.
    package borrowing func run<Success: ~Copyable>(_ body: () throws -> Success) throws -> Success {
        try result(of: body).get()
    }

    /// ``run(_:)`` for a body of which the error type matters: the thrown error is that of switching only.
    package borrowing func result<Success: ~Copyable, Failure: Error>(
        of body: () throws(Failure) -> Success
    ) throws(SystemError) -> Result<Success, Failure> {
        let old = try Self.current()
        let raw = fd.raw
        try checking("setns", "network namespace") { clinux_setns_network(raw) }
        let result: Result<Success, Failure>
        do throws(Failure) { result = .success(try body()) } catch { result = .failure(error) }
        old.enterOrStop()
        return result
    }

    /// Going on in the wrong namespace would configure the wrong machine, so there is no way to go on.
    private borrowing func enterOrStop() {
        let status = clinux_setns_network(fd.raw)
        precondition(status == 0, "can't return to the thread's network namespace: \(Errno(rawValue: -status))")
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
package import Netlink
import Synchronization

/// A named network namespace of a test, with `lo` up. It goes away with the last reference, or by ``delete()``.
package final class TestNamespace: Sendable {
    static let prefix = "skeintest-"

    package let name: String
    private let namespace: NetworkNamespace
    private let isDeleted = Mutex(false)

    package init() throws {
        name = UniqueName.make(Self.prefix)
        namespace = try NetworkNamespace.create(named: name)
        do { try namespace.run { try bringLoopbackUp() } } catch {
            try? NetworkNamespace.delete(named: name)
            throw error
        }
    }

    /// As a container runtime would give it to a CNI plugin.
    package var path: String { NetworkNamespace.path(of: name) }

    package var fd: Int32 { namespace.fd.raw }

    /// Runs `body` in the namespace on the calling thread, which is back in its own afterwards. Sockets that it opens,
    /// and processes that it starts, stay in the namespace.
    package func run<Success: ~Copyable>(_ body: () throws -> Success) throws -> Success {
        try namespace.run(body)
    }

    /// Asks the namespace's rtnetlink.
    package func netlink<Success>(_ body: (inout NetlinkSocket) throws -> Success) throws -> Success {
        var socket = try NetlinkSocket(in: namespace)
        return try body(&socket)
    }

    /// Removes the name. Devices go when no socket and no process is in the namespace any more. Idempotent.
    package func delete() {
        let first = isDeleted.withLock { isDeleted in
            defer { isDeleted = true }
            return !isDeleted
        }
        guard first else { return }
        do { try NetworkNamespace.delete(named: name) } catch { print("cannot remove namespace \(name): \(error)") }
    }

    deinit { delete() }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
package import Kernel

/// A fresh network namespace for a test. Anonymous: it goes away with everything in it when nothing holds it any more.
package struct ScratchNamespace: ~Copyable, Sendable {
    package let namespace: NetworkNamespace

    /// Only `lo` is in it, down.
    package init() throws(SystemError) { namespace = try NetworkNamespace.anonymous() }

    /// A path by which other processes can open it while this value lives, as a runtime would give it to a CNI plugin.
    package var path: String { "/proc/\(getpid())/fd/\(namespace.fd.raw)" }

    /// Runs `body` in the namespace on the calling thread, which is back in its own afterwards. A process that is
    /// started in it stays in the namespace.
    package borrowing func run<Success: ~Copyable>(_ body: () throws -> Success) throws -> Success {
        try namespace.run(body)
    }

    /// Makes a namespace for one body.
    package static func run<Success: ~Copyable>(_ body: () throws -> Success) throws -> Success {
        try ScratchNamespace().run(body)
    }
}

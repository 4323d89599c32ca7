// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// A directory of its own that goes with its owner.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        path = "/tmp/skein-test-\(getpid())-\(String(UInt64.random(in: .min ... .max), radix: 36))"
        try Directory.create(path)
    }

    deinit {
        try? Directory.removeTree(path)
    }

    subscript(name: String) -> String { "\(path)/\(name)" }
}

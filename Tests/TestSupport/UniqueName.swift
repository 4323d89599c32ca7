// SPDX-License-Identifier: Apache-2.0
import Glibc
import Synchronization

/// Names that no other test, of this or another process, has at the moment.
package enum UniqueName {
    private static let counter = Mutex<UInt64>(0)

    /// `prefix`, then at most 9 letters and digits: it may have 6 bytes for the name of a link.
    package static func make(_ prefix: String) -> String {
        let number = counter.withLock { counter in
            counter += 1
            return counter
        }
        return prefix + String(UInt64(getpid()) << 16 | number & 0xffff, radix: 36)
    }
}

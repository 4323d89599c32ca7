// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Standard output and standard error.
package enum Terminal {
    package static func output(_ text: String) {
        write(text + "\n", to: STDOUT_FILENO)
    }

    package static func error(_ text: String) {
        write(text + "\n", to: STDERR_FILENO)
    }

    /// All of it, or nothing more when the reader has gone (as with `| head`): then there is no point in going on.
    private static func write(_ text: String, to descriptor: Int32) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = unsafe bytes.withUnsafeBytes { unsafe Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                exit(errno == EPIPE ? 0 : 1)
            }
            bytes = bytes.dropFirst(count)
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Says on standard error why `program` ends, as a person reads it first: a line without time or level.
package func sayLastWord(of program: String, _ error: any Error) {
    let line = Array("\(program): \(error)\n".utf8)
    _ = unsafe line.withUnsafeBytes { unsafe write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

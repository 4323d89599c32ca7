// SPDX-License-Identifier: Apache-2.0
import Glibc

/// What the C library's allocator keeps.
enum Memory {
    /// Gives free pages back to the system. For the end of work on everything at once, which needs memory for a moment that
    /// the allocator would keep for ever. Takes a millisecond or so; does nothing where malloc_trim(3) is missing.
    static func giveBack() {
        typealias Trim = @convention(c) (Int) -> Int32
        // <malloc.h> is not part of the Glibc module.
        guard let symbol = unsafe dlsym(nil, "malloc_trim") else { return }
        _ = unsafe unsafeBitCast(symbol, to: Trim.self)(0)
    }
}

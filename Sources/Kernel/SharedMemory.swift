// SPDX-License-Identifier: Apache-2.0
import CLinux
import Glibc

/// Waits until every BPF program and every other RCU reader that was running when it was called is done:
/// after it, none of them can still use what was unlinked before. Takes a few to some tens of milliseconds.
///
/// A kernel with nohz_full CPUs offers no such barrier: there it waits a quarter of a second, which is thousands of times
/// what a program may run.
package func rcuBarrier() throws(SystemError) {
    // MEMBARRIER_CMD_GLOBAL is synchronize_rcu(); BPF programs run under rcu_read_lock.
    let isThere = try SystemError.ignoring(.invalid) { () throws(SystemError) in
        try checking("membarrier") { clinux_membarrier_global() }
    }
    if !isThere { usleep(250_000) }
}

/// Sequentially consistent access to words in memory that BPF programs or other processes share.
/// The pointer must be aligned and stay mapped during the call.
package enum AtomicMemory {
    @unsafe package static func load(_ pointer: UnsafeRawPointer) -> UInt32 {
        unsafe clinux_atomic_load_u32(pointer)
    }

    @unsafe package static func store(_ value: UInt32, to pointer: UnsafeMutableRawPointer) {
        unsafe clinux_atomic_store_u32(pointer, value)
    }

    /// Adds with wrap-around and returns the sum.
    @unsafe @discardableResult
    package static func add(_ value: UInt32, to pointer: UnsafeMutableRawPointer) -> UInt32 {
        unsafe clinux_atomic_add_u32(pointer, value)
    }

    @unsafe package static func load64(_ pointer: UnsafeRawPointer) -> UInt64 {
        unsafe clinux_atomic_load_u64(pointer)
    }

    @unsafe package static func store64(_ value: UInt64, to pointer: UnsafeMutableRawPointer) {
        unsafe clinux_atomic_store_u64(pointer, value)
    }

    /// Adds with wrap-around and returns the sum.
    @unsafe @discardableResult
    package static func add64(_ value: UInt64, to pointer: UnsafeMutableRawPointer) -> UInt64 {
        unsafe clinux_atomic_add_u64(pointer, value)
    }
}

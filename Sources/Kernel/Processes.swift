// SPDX-License-Identifier: Apache-2.0
package import Glibc

/// Small questions about processes.
package enum Processes {
    /// Whether a process with this number is there, a zombie included. Another user's counts too.
    package static func isAlive(_ pid: pid_t) -> Bool {
        pid > 0 && (kill(pid, 0) == 0 || errno == EPERM)
    }
}

/// Clocks of the kernel.
package enum Clock {
    /// CLOCK_MONOTONIC in nanoseconds: what bpf_ktime_get_ns() gives. Stands still while suspended.
    package static func monotonic() -> UInt64 { nanoseconds(CLOCK_MONOTONIC) }

    /// CLOCK_REALTIME in nanoseconds since 1970.
    package static func realtime() -> UInt64 { nanoseconds(CLOCK_REALTIME) }

    private static func nanoseconds(_ clock: clockid_t) -> UInt64 {
        var time = timespec()
        _ = unsafe clock_gettime(clock, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}

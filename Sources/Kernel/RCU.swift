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

/// Makes the kernel hurry with RCU grace periods for the time of a piece of work.
///
/// Attaching a program to a device (TCX), detaching it and membarrier(2) each wait for a grace period, 10 to 30 ms as the
/// kernel takes its time. `/sys/kernel/rcu_expedited` (kernel/ksysfs.c) makes
/// it ask the CPUs instead, well under a millisecond, for a short interrupt on each. The switch is the whole machine's, so
/// it is on for the work alone; `rcu_normal`, which real-time systems set, overrules it.
package struct ExpeditedRCU: Sendable {
    private static let control = "/sys/kernel/rcu_expedited"
    private let marker: String?

    /// - Parameter marker: a file that says whether the switch was turned on here, so that `recover` can turn it off after
    ///   a crash. It stays, and is written in place: making and removing one each time took longer than the hurry saves.
    ///   A machine's crash, which might lose what was written, sets the switch back itself. Nil never turns it on.
    package init(marker: String?) { self.marker = marker }

    /// Whether this kernel has the switch and this process may turn it.
    package static var isAvailable: Bool { unsafe access(control, W_OK) == 0 }

    /// Runs `body`, in a hurry where that is possible. Somebody else's setting is left as it is.
    package func run<Result>(_ body: () throws -> Result) rethrows -> Result {
        let isOurs = turnOn()
        defer { if isOurs { turnOff() } }
        return try body()
    }

    /// Turns the switch off if a process that was killed left it on.
    package func recover() {
        guard let marker, let bytes = try? AtomicFile.readIfThere(marker), bytes.first != Self.off else { return }
        turnOff()
    }

    private static let on = UInt8(ascii: "1"), off = UInt8(ascii: "0")

    private func turnOn() -> Bool {
        guard let marker, let now = try? read(), now == Self.off else { return false }
        do {
            try mark(marker, Self.on)
            try write(Self.on)
            return true
        } catch {
            try? mark(marker, Self.off)
            return false
        }
    }

    private func turnOff() {
        guard let marker else { return }
        do {
            try write(Self.off)
            try mark(marker, Self.off)
        } catch {
            // The marker still says on: the next start tries again.
        }
    }

    private func mark(_ marker: String, _ state: UInt8) throws(SystemError) {
        try OwnedFD.open(marker, O_WRONLY | O_CREAT, mode: 0o600).writeAll([state], marker)
    }

    private func read() throws(SystemError) -> UInt8? {
        try OwnedFD.open(Self.control, O_RDONLY).readAll(limit: 64).first
    }

    private func write(_ state: UInt8) throws(SystemError) {
        try OwnedFD.open(Self.control, O_WRONLY).writeAll([state])
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc

/// The flow table's clock as user space sees it. A tick is a power of two of jiffies, close to a second; how many jiffies
/// a second has is the kernel's secret (CONFIG_HZ), so it is measured once.
struct TickClock: ~Copyable {
    /// Jiffies of a tick, as a shift; what `dp_config.tick_shift` must be.
    let shift: UInt8
    /// The kernel's HZ.
    let jiffiesPerSecond: Int
    private let program: BPFProgram

    /// Takes a tenth of a second. HZ is one of four values in every kernel configuration (kernel/Kconfig.hz).
    init() throws(BPFError) {
        let jiffies = try Self.assemble(shift: 0)
        let (first, firstTime) = (try Self.read(jiffies), Self.seconds())
        usleep(100_000)
        let (last, lastTime) = (try Self.read(jiffies), Self.seconds())
        let measured = Double(last &- first) / (lastTime - firstTime)
        let nearest = [100, 250, 300, 1000].min { abs(Double($0) - measured) < abs(Double($1) - measured) }
        let jiffiesPerSecond = nearest ?? 250
        // The smallest power of two that is at least a second, so that last-seen is written at most once a second.
        var shift: UInt8 = 0
        while 1 << shift < jiffiesPerSecond { shift += 1 }
        let program = try Self.assemble(shift: Int32(shift))
        self.jiffiesPerSecond = jiffiesPerSecond
        self.shift = shift
        self.program = program
    }

    /// The tick that a program would write now.
    func tick() throws(BPFError) -> UInt32 { try Self.read(program) }

    var secondsPerTick: Double { Double(1 << shift) / Double(jiffiesPerSecond) }

    /// At least one.
    func ticks(seconds: Double) -> UInt32 { UInt32(max(1, (seconds / secondsPerTick).rounded(.up))) }

    /// User space has no way to read jiffies but a program that returns them, low word.
    private static func assemble(shift: Int32) throws(BPFError) -> BPFProgram {
        try BPFProgram(assembling: "clock", type: .trafficControl, [.call(.jiffies), .shiftRight(0, shift), .exit])
    }

    private static func read(_ program: borrowing BPFProgram) throws(BPFError) -> UInt32 {
        let run = try program.testRun([UInt8](repeating: 0, count: 14), returnsPacket: false)
        return UInt32(bitPattern: run.verdict)
    }

    private static func seconds() -> Double {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    }
}

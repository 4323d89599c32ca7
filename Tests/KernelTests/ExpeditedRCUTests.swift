// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

/// The switch is the whole machine's, and other suites' agents turn it, too: only what holds regardless is asserted.
@Suite(.serialized, .enabled(if: ExpeditedRCU.isAvailable, "needs root and /sys/kernel/rcu_expedited"))
struct ExpeditedRCUTests {
    private func control() throws -> String {
        let bytes = try OwnedFD.open("/sys/kernel/rcu_expedited", O_RDONLY).readAll(limit: 16)
        return String(decoding: bytes.prefix { $0 != 10 }, as: UTF8.self)
    }

    /// What a marker says; nil if there is none.
    private func state(of marker: String) throws -> String? {
        try AtomicFile.readIfThere(marker).map { String(decoding: $0, as: UTF8.self) }
    }

    @Test func `the switch is on during the work, and a marker tells of it`() throws {
        let folder = try TemporaryDirectory()
        let marker = folder.path + "/marker"
        let rcu = ExpeditedRCU(marker: marker)
        var seen: [String] = []
        // Somebody else may have had it on before, or turn it off in the middle; not every time.
        for _ in 0..<1_000 where seen.last != "1 marked 1" {
            seen.append(try rcu.run { () throws in try control() + " marked " + (state(of: marker) ?? "never") })
            #expect(try state(of: marker) != "1")
        }
        #expect(seen.last == "1 marked 1")
    }

    @Test(arguments: [("1", "0"), ("on\n", "0n\n"), ("0", "0")])
    func `what a killed process left on is turned off`(left: String, after: String) throws {
        let folder = try TemporaryDirectory()
        let marker = folder.path + "/marker"
        try AtomicFile.write(Array(left.utf8), to: marker)
        ExpeditedRCU(marker: marker).recover()
        #expect(try state(of: marker) == after)
    }

    @Test func `where nothing was turned on there is nothing to turn off`() throws {
        let folder = try TemporaryDirectory()
        ExpeditedRCU(marker: folder.path + "/marker").recover()
        #expect(try state(of: folder.path + "/marker") == nil)
    }

    @Test func `the work's error comes through and the switch goes back`() throws {
        let folder = try TemporaryDirectory()
        let marker = folder.path + "/marker"
        #expect(throws: SystemError.self) {
            try ExpeditedRCU(marker: marker).run { throw SystemError("test", .invalid) }
        }
        #expect(try state(of: marker) != "1")
    }

    @Test func `without a marker the work is done all the same`() throws {
        let answer = ExpeditedRCU(marker: nil).run { 42 }
        #expect(answer == 42)
    }
}

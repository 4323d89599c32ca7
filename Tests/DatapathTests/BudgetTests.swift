// SPDX-License-Identifier: Apache-2.0
import BPF
import CDatapathABI
import Glibc
import Kernel
import TestSupport
import Testing

@testable import Datapath

/// How many instructions the verifier goes through for a program, with every setting on, off, and alone. A number that
/// jumps is a program that some kernel may refuse.
///
/// `bpf/budgets.txt` has the most that is allowed; `SKEIN_UPDATE_BUDGETS=1` writes what is so now.
@Suite(.serialized, .enabled(if: geteuid() == 0, "needs root")) struct BudgetTests {
    private static let file =
        "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/") + "/bpf/budgets.txt"
    private static let tolerance = 1.10

    private struct Entry: Hashable, Comparable {
        let object, program, config: String

        static func < (a: Entry, b: Entry) -> Bool {
            (a.object, a.program, a.config) < (b.object, b.program, b.config)
        }
    }

    private static let settings: [(name: String, turnOn: @Sendable (inout dp_config) -> Void)] = [
        ("ipv4", { $0.enable_ipv4 = 1 }), ("ipv6", { $0.enable_ipv6 = 1 }), ("fragments", { $0.enable_fragments = 1 }),
        ("fib", { $0.enable_fib = 1 }), ("event_new", { $0.event_new = 1 }), ("event_drop", { $0.event_drop = 1 }),
        ("count_hits", { $0.count_hits = 1 }),
        (
            "overlay",
            {
                $0.overlay_ifindex = Lab.tunnelLink
                $0.tunnel_port = Lab.tunnelPort.bigEndian
            }
        ),
        ("tunnel_ipv6", { $0.tunnel_ipv6 = 1 }),
    ]

    private static var configurations: [(name: String, dp_config)] {
        func config(_ on: (String) -> Bool) -> dp_config {
            var config = dp_config()
            config.event_rate = 1_000
            config.tick_shift = 8
            config.flow_slots = 1_024
            for (name, turnOn) in settings where on(name) { turnOn(&config) }
            return config
        }
        return [("all", config { _ in true }), ("none", config { _ in false })]
            + settings.map { setting in ("only-\(setting.name)", config { $0 == setting.name }) }
            // One family with all else, as nodes run, and without tunnels.
            + ["ipv6", "ipv4", "overlay"].map { left in ("all-but-\(left)", config { $0 != left }) }
    }

    /// Loading takes seconds: once is enough.
    private static let measured = Result { try measure() }

    private static func measure() throws -> [Entry: Int] {
        var used: [Entry: Int] = [:]
        for file in ["endpoint", "node", "overlay"] {
            for (name, config) in configurations {
                var spec = try BPFSpec(path: Lab.objectDirectory + "/\(file).bpf.o")
                try spec.setConfig(config)
                let object = try spec.load()
                for program in object.programNames {
                    used[Entry(object: file, program: program, config: name)] =
                        try object.program(program).info().verifiedInstructions
                }
            }
        }
        let object = try BPFSpec(path: Lab.objectDirectory + "/xdp.bpf.o").load()
        for program in object.programNames {
            used[Entry(object: "xdp", program: program, config: "all")] =
                try object.program(program).info().verifiedInstructions
        }
        return used
    }

    private func readBudgets() throws -> [Entry: Int] {
        guard let file = unsafe fopen(Self.file, "r") else { return [:] }
        defer { unsafe _ = fclose(file) }
        var budgets: [Entry: Int] = [:]
        while let line = unsafe readLine(from: file) {
            let words = line.split(whereSeparator: \.isWhitespace).map(String.init)
            guard let first = words.first, !first.hasPrefix("#") else { continue }
            let number = try #require(words.count == 4 ? Int(words[3]) : nil, "not a budget: \(line)")
            budgets[Entry(object: words[0], program: words[1], config: words[2])] = number
        }
        return budgets
    }

    private func readLine(from file: UnsafeMutablePointer<FILE>) -> String? {
        var buffer = [CChar](repeating: 0, count: 512)
        guard unsafe fgets(&buffer, Int32(buffer.count), file) != nil else { return nil }
        return String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    private func write(_ used: [Entry: Int]) throws {
        var text = """
            # Instructions that the verifier goes through: object, program, settings that are on, and the most that is
            # allowed. A test fails at more than a tenth above that, and so does a line that is missing.
            # SKEIN_UPDATE_BUDGETS=1 make test FILTER=BudgetTests   writes what is so now.

            """
        for (entry, count) in used.sorted(by: { $0.key < $1.key }) {
            text += "\(entry.object) \(entry.program) \(entry.config) \(count)\n"
        }
        try AtomicFile.write(Array(text.utf8), to: Self.file)
    }

    @Test(.enabled(if: (try? KernelFeatures.probe().verifiedInstructions) == true, "needs Linux 5.16"))
    func `the verifier's work stays within its budget`() throws {
        let used = try Self.measured.get()
        if unsafe getenv("SKEIN_UPDATE_BUDGETS") != nil { try write(used) }
        let budgets = try readBudgets()
        let help = "if that is meant: SKEIN_UPDATE_BUDGETS=1 make test FILTER=BudgetTests"
        for (entry, count) in used.sorted(by: { $0.key < $1.key }) {
            let name = "\(entry.object) \(entry.program) \(entry.config)"
            guard let budget = budgets[entry] else {
                Issue.record("bpf/budgets.txt has no line for \(name), which takes \(count); \(help)")
                continue
            }
            #expect(Double(count) <= Double(budget) * Self.tolerance, "\(name): \(count), budget \(budget); \(help)")
        }
        for entry in budgets.keys where used[entry] == nil {
            Issue.record("bpf/budgets.txt: there is no \(entry.object) \(entry.program) \(entry.config); \(help)")
        }
    }

    @Test(.enabled(if: (try? KernelFeatures.probe().verifiedInstructions) == true, "needs Linux 5.16"))
    func `a setting that is off leaves its part of the program out`() throws {
        let used = try Self.measured.get()
        func of(_ program: String, _ config: String) throws -> Int {
            let object = program.hasSuffix("endpoint") ? "endpoint" : "overlay"
            return try #require(used[Entry(object: object, program: program, config: config)])
        }
        #expect(try of("from_endpoint", "all-but-overlay") < of("from_endpoint", "all"))
        for program in ["from_endpoint", "to_endpoint", "from_overlay", "to_overlay"] {
            #expect(try of(program, "all-but-ipv6") < of(program, "all"))
            #expect(try of(program, "all-but-ipv4") < of(program, "all"))
            #expect(try of(program, "none") * 10 < of(program, "all"))
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import BenchReport
import Glibc

/// `make bench`: measures what Skein promises, each figure beside a peer in the same run.
@main
struct Bench: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "skein-bench", abstract: "Measures the datapath, pod wiring and the policy compiler.")

    enum Part: String, CaseIterable, ExpressibleByArgument {
        case programs, traffic, cni, policy
    }

    @Option(help: "Also write the rows as a JSON array to this file.")
    var out: String?
    @Option(help: "Only these parts.")
    var only: [Part] = []
    @Option(help: "Folder of the BPF objects.")
    var bpfDir = Self.environment("SKEIN_BPF_DIR") ?? "build/bpf"
    @Option(help: "Folder of the programs.")
    var binDir = Self.environment("SKEIN_BIN_DIR") ?? "build/bin"
    @Option(help: "Folder of the CNI plugins to compare with.")
    var pluginDir = "/usr/lib/cni"

    mutating func run() async throws {
        guard geteuid() == 0 else { throw ValidationError("the bench makes network namespaces: run it as root") }
        let parts = only.isEmpty ? Part.allCases : only
        var report = Report()
        if parts.contains(.programs) {
            try ProgramBench(objects: bpfDir).run(into: &report)
            try NodeBench(objects: bpfDir).run(into: &report)
            try TunnelBench(objects: bpfDir).run(into: &report)
        }
        if parts.contains(.policy) { try PolicyBench(objects: bpfDir, programs: binDir).run(into: &report) }
        if parts.contains(.cni) {
            try CNIBench(programs: binDir, objects: bpfDir, plugins: pluginDir).run(into: &report)
        }
        if parts.contains(.traffic) {
            try TrafficBench(programs: binDir, objects: bpfDir, plugins: pluginDir).run(into: &report)
        }
        report.printTable()
        if let out { try report.writeJSON(to: out) }
        let missed = report.rows.filter { $0.ok == false }
        if !missed.isEmpty {
            print("\n\(missed.count) of \(report.rows.filter { $0.ok != nil }.count) goals missed")
            throw ExitCode(1)
        }
    }

    /// Tells the test harness, which takes them from the environment, where the programs are.
    static func point(to programs: String, _ objects: String) {
        unsafe setenv("SKEIN_BIN_DIR", programs, 1)
        unsafe setenv("SKEIN_BPF_DIR", objects, 1)
    }

    static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        return unsafe String(cString: value)
    }
}

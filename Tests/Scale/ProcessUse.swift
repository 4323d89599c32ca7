// SPDX-License-Identifier: Apache-2.0
import FoundationEssentials
import Glibc

/// What the kernel counts for a process.
struct ProcessUse {
    /// Processor time, seconds.
    let time: Double
    /// Bytes.
    let resident: Double
    /// Its share of pages that others have, too; bytes.
    let proportional: Double
    /// The most that was ever resident; bytes.
    let peak: Double

    struct Gone: Error, CustomStringConvertible {
        let pid: Int32

        var description: String { "there is no process \(pid)" }
    }

    init(of pid: Int32) throws {
        func text(_ file: String) throws -> String {
            guard let data = try? Data(contentsOf: URL(filePath: "/proc/\(pid)/\(file)")) else { throw Gone(pid: pid) }
            return String(decoding: data, as: UTF8.self)
        }
        func kilobytes(_ name: String, _ text: String) -> Double {
            let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") } ?? ""
            let words = line.split(whereSeparator: { $0 == " " || $0 == "\t" })
            return 1_024 * (words.dropFirst().first.flatMap { Double($0) } ?? 0)
        }
        // The name, in brackets, may hold anything. utime and stime are the fields 14 and 15.
        let fields = try text("stat").split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else {
            throw Gone(pid: pid)
        }
        time = (user + system) / Double(sysconf(Int32(_SC_CLK_TCK)))
        let status = try text("status")
        resident = kilobytes("VmRSS", status)
        peak = kilobytes("VmHWM", status)
        proportional = kilobytes("Pss", try text("smaps_rollup"))
    }
}

/// What the kernel counts for a device of this process's network.
enum LinkUse {
    /// Bytes; nil if there is no such device.
    static func sent(by name: String) -> Double? {
        guard let data = try? Data(contentsOf: URL(filePath: "/proc/self/net/dev")) else { return nil }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            guard words.first == "\(name):", words.count > 9 else { continue }
            return Double(words[9])
        }
        return nil
    }
}

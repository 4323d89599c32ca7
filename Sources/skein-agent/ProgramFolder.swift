// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// Where the compiled BPF programs are.
enum ProgramFolder {
    private static let program = "endpoint.bpf.o"

    /// - Parameter given: the flag's value.
    static func find(_ given: String?) throws -> String {
        let candidates = given.map { [$0] } ?? [besideExecutable(), "/usr/lib/skein/bpf"].compactMap(\.self)
        for folder in candidates where unsafe access("\(folder)/\(program)", R_OK) == 0 { return folder }
        throw ValidationError(
            "there is no \(program) in \(candidates.joined(separator: " or ")): say where it is with --bpf-dir")
    }

    private static func besideExecutable() -> String? {
        guard let path = unsafe realpath("/proc/self/exe", nil) else { return nil }
        defer { unsafe free(path) }
        let executable = unsafe String(cString: path)
        let parts = executable.split(separator: "/").dropLast(2)
        return "/" + (parts + ["lib", "skein", "bpf"]).joined(separator: "/")
    }
}

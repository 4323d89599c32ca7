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
        ExecutableFolder.path.map { folder in
            "/" + (folder.split(separator: "/").dropLast() + ["lib", "skein", "bpf"]).joined(separator: "/")
        }
    }
}

/// Where the agent's own program lies.
enum ExecutableFolder {
    static var path: String? {
        guard let path = unsafe realpath("/proc/self/exe", nil) else { return nil }
        defer { unsafe free(path) }
        return "/" + (unsafe String(cString: path)).split(separator: "/").dropLast().joined(separator: "/")
    }
}

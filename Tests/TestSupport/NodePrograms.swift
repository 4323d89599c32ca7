// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// Where the programs under test are.
package enum Programs {
    package static var agent: String { get throws { try program("skein-agent") } }
    package static var cni: String { get throws { try program("skein-cni") } }
    package static var cli: String { get throws { try program("skein") } }

    /// Folder of compiled BPF programs: SKEIN_BPF_DIR, else that of the checkout.
    package static var bpf: String {
        get throws {
            let folder = variable("SKEIN_BPF_DIR") ?? checkout + "/build/bpf"
            return try existing(folder, "endpoint.bpf.o", hint: "make bpf")
        }
    }

    /// SKEIN_BIN_DIR, else beside this process's own executable: debug builds.
    private static func program(_ name: String) throws -> String {
        let folder = variable("SKEIN_BIN_DIR") ?? Directory.parent(of: executable)
        return try existing(folder, name, hint: "swift build --product \(name)") + "/" + name
    }

    private static func existing(_ folder: String, _ file: String, hint: String) throws -> String {
        guard unsafe access("\(folder)/\(file)", R_OK) == 0 else {
            throw SystemError("find", .noEntry, "\(folder)/\(file)", detail: "make it with: \(hint)")
        }
        return folder
    }

    private static func variable(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }

    private static var executable: String {
        guard let path = unsafe realpath("/proc/self/exe", nil) else { return "" }
        defer { unsafe free(path) }
        return unsafe String(cString: path)
    }

    /// This file is in Tests/TestSupport.
    private static var checkout: String {
        Directory.parent(of: Directory.parent(of: Directory.parent(of: #filePath)))
    }
}

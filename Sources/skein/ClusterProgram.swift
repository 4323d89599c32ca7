// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc
import TextLayout

/// `skein-cluster`, which knows of clusters.
enum ClusterProgram {
    private static let name = "skein-cluster"

    /// Becomes that program: the one beside this one, else the one in PATH. Returns never; throws if there is none.
    static func run(_ arguments: [String]) throws -> Never {
        let beside = directory.map { "\($0)/\(name)" }
        var problem: Int32 = 0
        for path in [beside, name].compactMap(\.self) {
            var pointers = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
            unsafe execvp(path, &pointers)
            problem = errno
            unsafe pointers.forEach { unsafe free($0) }
            guard problem == ENOENT else { break }
        }
        Terminal.error("skein: \(name) can't be started: \(unsafe String(cString: strerror(problem)))")
        Terminal.error("hint: it is installed beside skein; images of the agent don't have it")
        throw ExitCode.failure
    }

    /// Where this program is.
    private static var directory: String? {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = unsafe buffer.withUnsafeMutableBytes { bytes in
            unsafe bytes.baseAddress.map { unsafe readlink("/proc/self/exe", $0, bytes.count) } ?? -1
        }
        guard count > 0, let slash = buffer[..<count].lastIndex(of: UInt8(ascii: "/")) else { return nil }
        return String(decoding: buffer[..<slash], as: UTF8.self)
    }
}

/// Everything behind it is for that program.
struct ConnectivityCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connectivity", abstract: "Whether a cluster's pods reach what they should, and nothing else.",
        helpNames: [])

    @Argument(parsing: .captureForPassthrough) var arguments: [String] = []

    func run() throws {
        try ClusterProgram.run(["connectivity"] + arguments)
    }
}

struct SysdumpCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sysdump", abstract: "Collect a cluster's state and logs in one file, to send to somebody.",
        helpNames: [])

    @Argument(parsing: .captureForPassthrough) var arguments: [String] = []

    func run() throws {
        try ClusterProgram.run(["sysdump"] + arguments)
    }
}

/// What `skein status` hands on.
struct ClusterStatusOptions: ParsableArguments {
    @Flag(name: .customLong("cluster"), help: "All nodes, as the API server knows them.")
    var isCluster = false

    @Option(help: ArgumentHelp("Instead of KUBECONFIG and ~/.kube/config.", valueName: "file"))
    var kubeconfig: String?

    @Option(help: ArgumentHelp("Of the kubeconfig, instead of its current one.", valueName: "name"))
    var context: String?

    @Option(help: ArgumentHelp("Where Skein's pods are; kube-system if not given.", valueName: "namespace"))
    var skeinNamespace: String?

    @Flag(help: "Wait until all is well.")
    var wait = false

    @Option(help: ArgumentHelp("How long to wait, such as 90s or 5m; five minutes if not given.", valueName: "time"))
    var timeout: String?

    func areMeant(socket: String) -> Bool {
        if isCluster || kubeconfig != nil || context != nil { return true }
        let hasSocket = unsafe access(socket, F_OK) == 0
        let hasConfiguration = unsafe getenv("KUBECONFIG").map { unsafe $0.pointee != 0 } ?? false
        return hasConfiguration && !hasSocket
    }

    var arguments: [String] {
        var arguments: [String] = []
        for (name, value) in [
            ("--kubeconfig", kubeconfig), ("--context", context), ("--skein-namespace", skeinNamespace),
            ("--timeout", timeout),
        ] {
            if let value { arguments += [name, value] }
        }
        return arguments + (wait ? ["--wait"] : [])
    }
}

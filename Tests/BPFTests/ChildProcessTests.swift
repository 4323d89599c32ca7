// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import TestSupport
import Testing

@Suite struct ChildProcessTests {
    private let environment = ["PATH": "/usr/bin:/bin"]

    @Test func `input, output, errors and the exit code are those of the program`() throws {
        let result = try ChildProcess.run(
            "/bin/sh", ["-c", "cat; echo $NAME >&2; exit 3"],
            environment: environment.merging(["NAME": "skein"]) { $1 }, input: "hello")
        #expect(result.exit == .code(3))
        #expect(result.output == "hello")
        #expect(result.errors == "skein\n")
    }

    @Test func `all of a large output arrives`() throws {
        let result = try ChildProcess.run(
            "/bin/sh", ["-c", "head -c 3000000 /dev/zero | tr '\\0' x"], environment: environment)
        #expect(result.output.utf8.count == 3_000_000)
    }

    @Test func `a program that takes too long is killed with its children`() throws {
        let result = try ChildProcess.run(
            "/bin/sh", ["-c", "sleep 1000 & echo $!; wait"], environment: environment, timeout: .milliseconds(300))
        #expect(result.exit == nil)
        let child = try #require(pid_t(result.output.split(separator: "\n").first ?? ""))
        #expect(eventually { !Self.isRunning(child) })
    }

    @Test func `an owner that goes away takes the program with it`() throws {
        var pid: pid_t = 0
        do {
            let child = try ChildProcess("/bin/sh", ["-c", "exec sleep 1000"], environment: environment)
            pid = child.pid
            #expect(child.status == nil)
        }
        #expect(eventually { !Self.isRunning(pid) })
    }

    @Test func `the end is seen though a grandchild holds the pipes`() throws {
        let child = try ChildProcess("/bin/sh", ["-c", "sleep 1000 & echo $!"], environment: environment)
        #expect(child.wait(timeout: .seconds(10)) == .code(0))
        #expect(child.output.hasSuffix("\n"))
        let grandchild = try #require(pid_t(child.output.dropLast()))
        #expect(kill(grandchild, SIGKILL) == 0)
    }

    @Test func `a program that is not there is an error`() {
        #expect(throws: SystemError("posix_spawn", .noEntry, "/nonexistent/program")) {
            try ChildProcess("/nonexistent/program")
        }
    }

    /// A zombie that nobody reaps is not running.
    private static func isRunning(_ pid: pid_t) -> Bool {
        guard let file = try? OwnedFD.open("/proc/\(pid)/stat", O_RDONLY), let bytes = try? file.readAll() else {
            return false
        }
        return !String(decoding: bytes, as: UTF8.self).contains(") Z ")
    }
}

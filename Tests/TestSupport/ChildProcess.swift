// SPDX-License-Identifier: Apache-2.0
package import Glibc
package import Kernel
import Synchronization

/// A started program. Its output is read as it comes; it is killed, with the process group that it leads, when the last
/// reference goes away.
package final class ChildProcess: Sendable {
    package enum Exit: Hashable, Sendable, CustomStringConvertible {
        case code(Int32)
        case signal(Int32)

        package var description: String {
            switch self {
            case .code(let code): "exit code \(code)"
            case .signal(let number): "signal \(number)"
            }
        }
    }

    private struct State {
        var output: [UInt8] = []
        var errors: [UInt8] = []
        var exit: Exit?
        /// Both pipes are read to the end of what the program wrote.
        var isDrained = false
    }

    /// What the threads share with the owner, so that they don't keep it alive.
    private final class Shared: Sendable {
        let state = Mutex(State())
        let exited: WakeUp

        init() throws(SystemError) { exited = try WakeUp() }
    }

    package let pid: pid_t
    private let shared: Shared

    /// Starts a program in the calling thread's network namespace, with only the given environment.
    ///
    /// - Parameters:
    ///   - path: with a slash, or looked up in PATH of this process.
    ///   - input: all of standard input; at most 60,000 bytes.
    package init(
        _ path: String, _ arguments: [String] = [], environment: [String: String] = [:], input: [UInt8] = []
    ) throws(SystemError) {
        shared = try Shared()
        // One at a time: a descriptor made here must not leak into a child that another test starts.
        let started = try spawnLock.withLock { _ throws(SystemError) in
            try Spawned(path, arguments, environment.map { "\($0)=\($1)" }, input)
        }
        pid = started.pid
        try Self.watch(started, shared)
    }

    deinit { if status == nil { send(SIGKILL) } }

    /// Nil while it runs.
    package var status: Exit? { shared.state.withLock { $0.exit } }
    /// What it has written to standard output so far.
    package var output: String { shared.state.withLock { String(decoding: $0.output, as: UTF8.self) } }
    package var outputBytes: [UInt8] { shared.state.withLock { $0.output } }
    /// What it has written to standard error so far.
    package var errors: String { shared.state.withLock { String(decoding: $0.errors, as: UTF8.self) } }

    /// To the process and its group; nothing happens if it has ended.
    package func send(_ signal: Int32) {
        shared.state.withLock { state in
            // Under the lock: the number is not reused before it is reaped.
            if state.exit == nil { kill(-pid, signal) }
        }
    }

    /// Waits for the end and for all output; nil if it takes longer. Blocks the thread.
    package func wait(timeout: Duration = .seconds(30)) -> Exit? {
        let ended = eventually(timeout: timeout, every: .microseconds(500)) {
            shared.state.withLock { $0.isDrained }
        }
        return ended ? status : nil
    }

    /// SIGTERM, then SIGKILL if it is still there after `grace`.
    @discardableResult
    package func terminate(grace: Duration = .seconds(10)) -> Exit? {
        send(SIGTERM)
        if let exit = wait(timeout: grace) { return exit }
        send(SIGKILL)
        return wait(timeout: .seconds(10))
    }

    private static func watch(_ started: consuming Spawned, _ shared: Shared) throws(SystemError) {
        let (pid, output, errors) = (started.pid, started.output.release(), started.errors.release())
        try WorkerThread.start("wait \(pid)") {
            var info = unsafe siginfo_t()
            // Not reaped here: until `exit` is set, the number must stay this process's.
            while unsafe waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) < 0, errno == EINTR {}
            var status: Int32 = 0
            shared.state.withLock { state in
                while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
                let number = status & 0x7f
                state.exit = number == 0 ? .code(status >> 8 & 0xff) : .signal(number)
            }
            shared.exited.signal()
        }
        try WorkerThread.start("read \(pid)") {
            read(OwnedFD(adopting: output), OwnedFD(adopting: errors), shared)
        }
    }

    private static func read(_ output: consuming OwnedFD, _ errors: consuming OwnedFD, _ shared: Shared) {
        var chunk = [UInt8](repeating: 0, count: 65_536)
        var open = [output.raw, errors.raw]
        var hasExited = false
        while !hasExited || !open.isEmpty {
            // Whoever inherited the pipes may hold them for ever: after the end, only what is there is read.
            guard
                let ready = try? waitForInput(open + (hasExited ? [] : [shared.exited.fd]), timeout: hasExited ? 0 : -1)
            else { break }
            if hasExited, ready.isEmpty { break }
            for fd in ready.filter({ $0 < open.count }).map({ open[$0] }) {
                let count = unsafe chunk.withUnsafeMutableBytes { unsafe Glibc.read(fd, $0.baseAddress, $0.count) }
                if count <= 0 {
                    open.removeAll { $0 == fd }
                } else {
                    let isOutput = fd == output.raw
                    shared.state.withLock { state in
                        if isOutput { state.output += chunk[..<count] } else { state.errors += chunk[..<count] }
                    }
                }
            }
            if shared.exited.drain() { hasExited = true }
        }
        shared.state.withLock { $0.isDrained = true }
    }
}

private let spawnLock = Mutex(())

extension ChildProcess {
    package struct Result: Sendable {
        /// Nil: it was killed because it took too long.
        package let exit: Exit?
        package let output: String
        package let errors: String

        package var isSuccess: Bool { exit == .code(0) }
    }

    /// Starts a program and waits for its end; kills it after `timeout`.
    package static func run(
        _ path: String, _ arguments: [String] = [], environment: [String: String] = [:], input: String = "",
        timeout: Duration = .seconds(30)
    ) throws(SystemError) -> Result {
        let child = try ChildProcess(path, arguments, environment: environment, input: Array(input.utf8))
        let exit = child.wait(timeout: timeout)
        if exit == nil {
            child.send(SIGKILL)
            _ = child.wait(timeout: .seconds(10))
        }
        return Result(exit: exit, output: child.output, errors: child.errors)
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// Runs the plugin from system call to system call (ptrace(2)), to end it at any of them.
package enum Stepper {
    package struct Outcome: Sendable {
        package let exit: ChildProcess.Exit
        /// That it began, its start by execve(2) left out.
        package let systemCalls: Int
        package let output: String
    }

    private enum Request: Int {
        case go = 7
        case systemCall = 24
        case seize = 0x4206
        case listen = 0x4208
    }

    private enum Event {
        static let exec: Int32 = 4
        static let stop: Int32 = 128
    }

    /// TRACESYSGOOD, TRACEEXEC and EXITKILL.
    private static let options = 0x1 | 0x10 | 0x10_0000

    /// Whether this machine lets a process trace its child; false in some containers.
    package static func isPossible() -> Bool {
        (try? run("/bin/true", environment: [:], input: []))?.exit == .code(0)
    }

    /// Runs a call of the plugin on a node.
    ///
    /// - Parameter last: kills it when it is about to make its system call of this number, from 1: what it did before is
    ///   done, this one is not. nil: lets it run to its end.
    package static func run(_ call: PluginCall, on node: TestNode, killingAt last: Int? = nil) throws -> Outcome {
        try run(call, on: node) { number in
            if number == last { return .kill }
            return .goOn
        }
    }

    /// Runs a call of the plugin to its end, and `body` while it is about to make a system call.
    package static func run(
        _ call: PluginCall, on node: TestNode, stoppingAt stop: Int, _ body: () -> Void
    ) throws -> Outcome {
        try run(call, on: node) { number in
            if number == stop { body() }
            return .goOn
        }
    }

    private enum Next {
        case goOn
        case kill
    }

    /// - Parameter next: called with the number of each system call, from 1, that is about to be made.
    private static func run(_ call: PluginCall, on node: TestNode, next: (Int) -> Next) throws -> Outcome {
        let input = Array(call.input(for: node).utf8)
        return try node.namespace.run {
            try run(try Programs.cni, environment: call.environment, input: input, next: next)
        }
    }

    /// On one thread: only the one that traces may ask for anything.
    private static func run(
        _ program: String, environment: [String: String], input: [UInt8], next: (Int) -> Next = { _ in .goOn }
    ) throws(SystemError) -> Outcome {
        // The shell waits until it is traced, and becomes the program then.
        let child = try Spawned(
            "/bin/sh", ["-c", "kill -STOP $$; exec \"$0\"", program], environment.map { "\($0)=\($1)" }, input)
        let pid = child.pid
        var isReaped = false
        defer {
            if !isReaped {
                kill(pid, SIGKILL)
                var status: Int32 = 0
                _ = unsafe waitpid(pid, &status, 0)
            }
        }
        try waitForStop(pid)
        try ask(.seize, pid, options)
        kill(pid, SIGCONT)

        var isProgram = false
        // execve's own end comes first.
        var isInside = true
        var count = 0
        while true {
            var status: Int32 = 0
            try retrying("waitpid") { unsafe waitpid(pid, &status, Int32(bitPattern: 0x4000_0000)) }
            guard status & 0x7f == 0x7f else {
                isReaped = true
                let number = status & 0x7f
                return Outcome(
                    exit: number == 0 ? .code(status >> 8 & 0xff) : .signal(number), systemCalls: count,
                    output: String(decoding: try child.output.readAll("output"), as: UTF8.self))
            }
            let signal = status >> 8 & 0xff
            switch (signal, status >> 16) {
            case (SIGTRAP | 0x80, _):
                isInside.toggle()
                if isInside {
                    count += 1
                    if next(count) == .kill {
                        kill(pid, SIGKILL)
                        continue
                    }
                }
                try ask(.systemCall, pid, 0)
            case (_, Event.exec):
                isProgram = true
                try ask(.systemCall, pid, 0)
            case (SIGSTOP, Event.stop):
                // Stopped by its own signal, until SIGCONT.
                try ask(.listen, pid, 0)
            case (_, Event.stop):
                try ask(isProgram ? .systemCall : .go, pid, 0)
            default:
                try ask(isProgram ? .systemCall : .go, pid, Int(signal))
            }
        }
    }

    private static func waitForStop(_ pid: pid_t) throws(SystemError) {
        var status: Int32 = 0
        try retrying("waitpid") { unsafe waitpid(pid, &status, WUNTRACED) }
        guard status & 0xff == 0x7f else { throw SystemError("waitpid", .noProcess, "the shell ended") }
    }

    private typealias Function =
        @convention(c) (Int, pid_t, UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> Int

    /// glibc's ptrace takes its arguments as `...`, which Swift can't call by name.
    private static func ask(_ request: Request, _ pid: pid_t, _ data: Int) throws(SystemError) {
        guard let symbol = unsafe dlsym(nil, "ptrace") else { throw SystemError("dlsym", .notSupported, "ptrace") }
        let function = unsafe unsafeBitCast(symbol, to: Function.self)
        let argument = unsafe UnsafeMutableRawPointer(bitPattern: data)
        do {
            try retrying("ptrace", "\(request)") { unsafe function(request.rawValue, pid, nil, argument) }
        } catch {
            // Killed meanwhile: waitpid says so.
            guard error.errno == .noProcess else { throw error }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// Starts a program with some standard input and waits for it, with as little as possible around it to be measured.
enum TimedProcess {
    /// Seconds from start to exit, in the calling thread's network namespace. Throws if the exit code isn't 0.
    static func run(_ path: String, environment: [String: String], input: String) throws -> Double {
        var pipe: [Int32] = [0, 0]
        guard unsafe Glibc.pipe(&pipe) == 0 else { throw SystemError("pipe", Errno(rawValue: errno)) }
        for end in pipe { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let bytes = Array(input.utf8)
        _ = unsafe write(pipe[1], bytes, bytes.count)
        close(pipe[1])
        defer { close(pipe[0]) }

        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe _ = posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, pipe[0], 0)
        unsafe posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0)
        var argv = unsafe [strdup(path), nil]
        var envp = unsafe environment.map { unsafe strdup("\($0)=\($1)") } + [nil]
        defer { unsafe (argv + envp).forEach { unsafe free($0) } }

        let start = PolicyBench.now()
        var pid: pid_t = 0
        let failure = unsafe posix_spawn(&pid, path, &actions, nil, &argv, &envp)
        guard failure == 0 else { throw SystemError("posix_spawn", Errno(rawValue: failure), path) }
        var status: Int32 = 0
        while unsafe waitpid(pid, &status, 0) < 0, errno == EINTR {}
        let seconds = PolicyBench.now() - start
        guard status == 0 else { throw BenchError("\(path) ended with status \(status)") }
        return seconds
    }
}

struct BenchError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

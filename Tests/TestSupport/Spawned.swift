// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel

/// posix_spawn with pipes: a process that was just started, and the reading ends of its output.
struct Spawned: ~Copyable {
    let pid: pid_t
    let output: OwnedFD
    let errors: OwnedFD

    init(
        _ path: String, _ arguments: [String], _ environment: [String], _ input: [UInt8]
    ) throws(SystemError) {
        let standardInput = try Pipe()
        let standardOutput = try Pipe()
        let standardError = try Pipe()
        // A pipe holds this much, so nobody has to wait for the program to read it.
        guard input.count <= 60_000 else { throw SystemError("write", Errno(rawValue: EFBIG), "input of \(path)") }
        try standardInput.writing.writeAll(input, "input of \(path)")

        var actions = unsafe posix_spawn_file_actions_t()
        unsafe posix_spawn_file_actions_init(&actions)
        defer { unsafe _ = posix_spawn_file_actions_destroy(&actions) }
        unsafe posix_spawn_file_actions_adddup2(&actions, standardInput.reading.raw, 0)
        unsafe posix_spawn_file_actions_adddup2(&actions, standardOutput.writing.raw, 1)
        unsafe posix_spawn_file_actions_adddup2(&actions, standardError.writing.raw, 2)

        var attributes = posix_spawnattr_t()
        unsafe posix_spawnattr_init(&attributes)
        defer { unsafe _ = posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        var all = sigset_t()
        unsafe sigemptyset(&none)
        unsafe sigfillset(&all)
        unsafe posix_spawnattr_setsigmask(&attributes, &none)
        unsafe posix_spawnattr_setsigdefault(&attributes, &all)
        unsafe posix_spawnattr_setpgroup(&attributes, 0)
        unsafe posix_spawnattr_setflags(
            &attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP))

        var argv = unsafe ([path] + arguments).map { unsafe strdup($0) } + [nil]
        var envp = unsafe environment.map { unsafe strdup($0) } + [nil]
        defer { unsafe (argv + envp).forEach { unsafe free($0) } }
        var pid: pid_t = 0
        let status = unsafe posix_spawnp(&pid, path, &actions, &attributes, &argv, &envp)
        guard status == 0 else { throw SystemError("posix_spawn", Errno(rawValue: status), path) }
        self.pid = pid
        self.output = standardOutput.takeReading()
        self.errors = standardError.takeReading()
        standardInput.close()
    }
}

private struct Pipe: ~Copyable {
    let reading: OwnedFD
    let writing: OwnedFD

    init() throws(SystemError) {
        var ends: [Int32] = [0, 0]
        try retrying("pipe") { unsafe pipe(&ends) }
        let reading = OwnedFD(adopting: ends[0])
        let writing = OwnedFD(adopting: ends[1])
        for end in ends { try retrying("fcntl") { fcntl(end, F_SETFD, FD_CLOEXEC) } }
        self.reading = reading
        self.writing = writing
    }

    consuming func takeReading() -> OwnedFD { reading }

    /// Makes sure that both ends live until here.
    consuming func close() {}
}

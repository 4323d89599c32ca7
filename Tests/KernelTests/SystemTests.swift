// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@Suite struct SystemErrorTests {
    @Test func `an error says what failed, on what and why`() {
        #expect(SystemError("open", .noEntry, "/x").description == "open /x: No such file or directory (ENOENT)")
        #expect(SystemError("poll", .invalid).description == "poll: Invalid argument (EINVAL)")
        #expect(
            SystemError("create link", .exists, "eth0", detail: "Name in use").description
                == "create link eth0: File exists (EEXIST): Name in use")
        #expect(Errno(rawValue: 9999).description == "unknown error (errno 9999)")
    }

    @Test func `an interrupted call is made again, by either way of telling`() throws {
        var attempts = 0
        #expect(
            try retrying("test") { () -> Int32 in
                attempts += 1
                errno = EINTR
                return attempts < 3 ? -1 : 7
            } == 7)
        #expect(
            try checking("test") { () -> Int32 in
                attempts += 1; return attempts < 6 ? -EINTR : 8
            } == 8)
        #expect(attempts == 6)
        let error = #expect(throws: SystemError.self) { try checking("test", "it") { -ENODEV } }
        #expect(error == SystemError("test", .noDevice, "it"))
    }

    @Test func `only the errors that are named are ignored`() throws {
        #expect(try SystemError.ignoring(.noEntry) { () throws(SystemError) in } == true)
        #expect(
            try SystemError.ignoring(.exists, .noEntry) { () throws(SystemError) in
                throw SystemError("x", .noEntry)
            } == false)
        #expect(throws: SystemError.self) {
            try SystemError.ignoring(.noEntry) { () throws(SystemError) in throw SystemError("x", .busy) }
        }
    }
}

@Suite struct KernelVersionTests {
    @Test(arguments: [
        ("6.18.44-fc-v669", 6, 18, 44), ("5.10.0-28-amd64", 5, 10, 0), ("6.1", 6, 1, 0), ("7", 7, 0, 0),
        ("6.8-rc1", 6, 8, 0), ("5.15.0", 5, 15, 0), ("6.6.32+deb", 6, 6, 32), ("5.4.1.2.3", 5, 4, 1),
    ])
    func `releases are read`(release: String, major: Int, minor: Int, patch: Int) {
        #expect(KernelVersion(release: release) == KernelVersion(major, minor, patch))
    }

    @Test(arguments: ["", "linux", "-1.2", ".5"])
    func `what is no release is refused`(release: String) {
        #expect(KernelVersion(release: release) == nil)
    }

    @Test func `versions are ordered by number`() throws {
        #expect(KernelVersion(5, 10) < KernelVersion(5, 10, 1))
        #expect(KernelVersion(5, 10) > KernelVersion(5, 9, 99))
        #expect(KernelVersion(6, 1) > KernelVersion(5, 99))
        #expect(try KernelVersion.running().version > KernelVersion(4, 0))
    }
}

@Suite struct SmallThingsTests {
    @Test func `a process is alive until it is gone`() {
        #expect(Processes.isAlive(getpid()))
        #expect(Processes.isAlive(1))
        #expect(!Processes.isAlive(0))
        #expect(!Processes.isAlive(-1))
        #expect(!Processes.isAlive(.max))
    }

    @Test func `clocks go forward`() {
        let start = Clock.monotonic()
        #expect(Clock.monotonic() >= start)
        #expect(Clock.realtime() > 1_600_000_000_000_000_000)
    }

    @Test func `the RCU barrier returns`() throws {
        try rcuBarrier()
    }

    @Test func `a signal wakes a waiter once`() throws {
        let wakeUp = try WakeUp()
        #expect(try waitForInput([wakeUp.fd], timeout: 0) == [])
        wakeUp.signal()
        wakeUp.signal()
        #expect(try waitForInput([wakeUp.fd]) == [0])
        let drained = (wakeUp.drain(), wakeUp.drain())
        #expect(drained == (true, false))
    }

    @Test(.timeLimit(.minutes(1))) func `a worker has a thread and a name of its own`() async throws {
        let name = await withCheckedContinuation { (continuation: CheckedContinuation<String, Never>) in
            do {
                try WorkerThread.start("skein-worker") {
                    let bytes = (try? AtomicFile.read("/proc/thread-self/comm")) ?? []
                    continuation.resume(returning: String(decoding: bytes, as: UTF8.self))
                }
            } catch {
                continuation.resume(returning: "\(error)")
            }
        }
        #expect(name == "skein-worker\n")
    }
}

@Suite struct SysctlTests {
    @Test func `a setting is read without its line's end`() throws {
        #expect(try Sysctl.read("kernel/ostype") == "Linux")
        let error = #expect(throws: SystemError.self) { try Sysctl.read("net/no/such") }
        #expect(error?.errno == .noEntry)
    }

    @Test(.enabled(if: geteuid() == 0, "needs root"))
    func `a setting is written in a namespace and only there`() throws {
        let name = "net/ipv4/ip_default_ttl"
        let before = try Sysctl.read(name)
        let namespace = try NetworkNamespace.anonymous()
        try namespace.run { () throws in
            #expect(try Sysctl.ensure(name, "33"))
            #expect(try !Sysctl.ensure(name, "33"))
            #expect(try Sysctl.read(name) == "33")
        }
        #expect(try Sysctl.read(name) == before)
        let error = #expect(throws: SystemError.self) { try namespace.run { try Sysctl.write(name, "no number") } }
        #expect(error?.errno == .invalid)
        #expect(error?.context == "/proc/sys/\(name) no number")
    }
}

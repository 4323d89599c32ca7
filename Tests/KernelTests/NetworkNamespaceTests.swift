// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct NetworkNamespaceTests {
    private struct Unexpected: Error {}

    /// Of the calling thread.
    private func here() throws -> NetworkNamespace.ID { try NetworkNamespace.current().id }

    @Test func `the closure runs inside and the thread comes back`() throws {
        let home = try here()
        let namespace = try NetworkNamespace.anonymous()
        #expect(try here() == home)
        let inside = try namespace.run { try here() }
        #expect(inside != home)
        #expect(try inside == namespace.id)
        #expect(try here() == home)
        #expect(inside.description.hasPrefix("net:["))
    }

    @Test func `the thread comes back when the closure throws`() throws {
        let home = try here()
        let namespace = try NetworkNamespace.anonymous()
        #expect(throws: Unexpected.self) { try namespace.run { throw Unexpected() } }
        #expect(try here() == home)
        let result = try namespace.result { () throws(SystemError) -> Int in throw SystemError("x", .busy) }
        #expect(throws: SystemError("x", .busy)) { try result.get() }
        #expect(try here() == home)
    }

    @Test func `runs nest`() throws {
        let outer = try NetworkNamespace.anonymous()
        let inner = try NetworkNamespace.anonymous()
        try outer.run { () throws in
            try inner.run { () throws in #expect(try here() == inner.id) }
            #expect(try here() == outer.id)
        }
    }

    @Test func `a named namespace is found by its path until it is deleted`() throws {
        let name = "skein-test-\(getpid())"
        try NetworkNamespace.delete(named: name)
        defer { try? NetworkNamespace.delete(named: name) }
        let made = try NetworkNamespace.create(named: name)
        #expect(try NetworkNamespace.names().contains(name))
        #expect(try NetworkNamespace(path: NetworkNamespace.path(of: name)).id == made.id)
        let error = #expect(throws: SystemError.self) { _ = try NetworkNamespace.create(named: name) }
        #expect(error?.errno == .exists)
        try NetworkNamespace.delete(named: name)
        #expect(try !NetworkNamespace.names().contains(name))
        try NetworkNamespace.delete(named: name)
    }

    @Test func `what a crash between file and mount leaves can be deleted`() throws {
        let name = "skein-test-\(getpid())-half"
        try Directory.create(NetworkNamespace.directory, mode: 0o755)
        try AtomicFile.write([], to: NetworkNamespace.path(of: name))
        try NetworkNamespace.delete(named: name)
        #expect(try !NetworkNamespace.names().contains(name))
    }

    @Test(arguments: [("/dev/null", EINVAL), ("/run/netns/skein-no-such", ENOENT), ("/proc/self/ns/net", 0)])
    func `only a namespace is taken for one`(path: String, code: Int32) throws {
        do {
            let namespace = try NetworkNamespace(path: path)
            _ = try namespace.id
            #expect(code == 0)
        } catch {
            #expect(error.errno.rawValue == code)
        }
    }

    @Test func `a process's namespace is this thread's`() throws {
        #expect(try NetworkNamespace(pid: getpid()).id == here())
    }
}

@Suite(.enabled(if: geteuid() == 0, "needs root")) struct BPFFSTests {
    @Test func `it is mounted where it is missing, once`() throws {
        let directory = try TemporaryDirectory()
        let path = directory["deep/bpf"]
        defer { _ = unsafe umount2(path, Int32(MNT_DETACH)) }
        #expect(throws: SystemError.self) { try BPFFS.isMounted(at: path) }
        #expect(try BPFFS.ensureMounted(at: path))
        #expect(try BPFFS.isMounted(at: path))
        #expect(try !BPFFS.ensureMounted(at: path))
        #expect(try !BPFFS.isMounted(at: directory.path))
    }
}

// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@Suite struct AtomicFileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test(arguments: [0, 1, 100, 200_000])
    func `what was written is read back, and nothing else is left`(size: Int) throws {
        let bytes = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31) }
        try AtomicFile.write(Array("before".utf8), to: directory["file"])
        try AtomicFile.write(bytes, to: directory["file"], durable: size == 100)
        #expect(try AtomicFile.read(directory["file"]) == bytes)
        #expect(try Directory.names(in: directory.path) == ["file"])
    }

    @Test(arguments: [0o600, 0o644, 0o666] as [mode_t])
    func `the mode is the one asked for, whatever the umask`(mode: mode_t) throws {
        try AtomicFile.write([1], to: directory["file"], mode: mode)
        var info = stat()
        #expect(unsafe stat(directory["file"], &info) == 0)
        #expect(info.st_mode & 0o7777 == mode)
    }

    @Test func `a write that fails leaves the old content and no rest`() throws {
        try Directory.create(directory["folder"])
        let error = #expect(throws: SystemError.self) { try AtomicFile.write([1], to: directory["folder"]) }
        #expect(error?.call == "rename")
        #expect(try Directory.names(in: directory.path) == ["folder"])
        #expect(throws: SystemError.self) { try AtomicFile.write([1], to: directory["missing/file"]) }
    }

    @Test func `what a crash left is found and removed`() throws {
        try AtomicFile.write([1], to: directory["keep"])
        try AtomicFile.write([1], to: directory[".tmp-1-1"])
        #expect(AtomicFile.isTemporary(".tmp-1-1"))
        #expect(!AtomicFile.isTemporary("keep"))
        try AtomicFile.removeTemporaries(in: directory.path)
        #expect(try Directory.names(in: directory.path) == ["keep"])
        try AtomicFile.removeTemporaries(in: directory["missing"])
    }

    @Test func `a missing file is told apart from an unreadable one`() throws {
        #expect(try AtomicFile.readIfThere(directory["missing"]) == nil)
        let error = #expect(throws: SystemError.self) { try AtomicFile.read(directory["missing"]) }
        #expect(error?.errno == .noEntry)
        #expect(error?.description == "open \(directory["missing"]): No such file or directory (ENOENT)")
        #expect(throws: SystemError.self) { try AtomicFile.readIfThere(directory.path) }
        try AtomicFile.remove(directory["missing"])
    }
}

@Suite struct DirectoryTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    @Test func `creating makes what is missing above, and again is no error`() throws {
        try Directory.create(directory["a/b/c/"])
        try Directory.create(directory["a/b/c"])
        #expect(try Directory.isDirectory(directory["a/b/c"]))
        try AtomicFile.write([], to: directory["file"])
        let error = #expect(throws: SystemError.self) { try Directory.create(directory["file"]) }
        #expect(error?.errno == .notDirectory)
    }

    @Test func `removing a tree leaves what its links point to`() throws {
        try Directory.create(directory["outside"])
        try AtomicFile.write([1], to: directory["outside/file"])
        try Directory.create(directory["tree/a/b"])
        try AtomicFile.write([1], to: directory["tree/a/file"])
        #expect(unsafe symlink(directory["outside"], directory["tree/a/link"]) == 0)
        #expect(unsafe symlink("nowhere", directory["tree/dangling"]) == 0)
        try Directory.removeTree(directory["tree"])
        try Directory.removeTree(directory["tree"])
        #expect(try Directory.names(in: directory.path) == ["outside"])
        #expect(try Directory.names(in: directory["outside"]) == ["file"])
    }

    @Test(arguments: [
        ("/a/b", "/a"), ("/a/b/", "/a"), ("/a", "/"), ("/", "/"), ("a", "."), ("a/b", "a"), ("//", "/"),
    ])
    func `the parent is the path without its last part`(path: String, parent: String) {
        #expect(Directory.parent(of: path) == parent)
    }
}

@Suite struct DescriptorTests {
    @Test func `a descriptor is closed with its owner and not when it is given away`() throws {
        let raw: Int32
        do {
            let file = try OwnedFD.open("/dev/null", O_RDONLY)
            raw = file.raw
            #expect(fcntl(raw, F_GETFD) == FD_CLOEXEC)
            let copy = try file.duplicate()
            #expect(copy.raw != raw)
        }
        let given = try OwnedFD.open("/dev/null", O_RDONLY).release()
        #expect(fcntl(given, F_GETFD) == FD_CLOEXEC)
        #expect(close(given) == 0)
    }

    @Test func `reading stops at the limit`() throws {
        let file = try OwnedFD.open("/dev/zero", O_RDONLY)
        let error = #expect(throws: SystemError.self) { try file.readAll(limit: 100_000, "zeros") }
        #expect(error?.errno.name == "EFBIG")
        #expect(error?.context == "zeros")
    }
}

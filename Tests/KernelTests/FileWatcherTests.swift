// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@Suite(.timeLimit(.minutes(1))) struct FileWatcherTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func write(_ name: String) throws {
        try AtomicFile.write([1], to: directory[name])
    }

    /// What a reader does: look, and look again after each notification.
    private func wait(for names: [String], in path: String, _ watcher: FileWatcher) async throws {
        if try Directory.namesIfThere(in: path) == names { return }
        for await _ in watcher.changes {
            if try Directory.namesIfThere(in: path) == names { return }
        }
        Issue.record("the watcher ended")
    }

    @Test func `files that come, change and go are noticed`() async throws {
        let watcher = try FileWatcher(directory.path)
        try write("a")
        try await wait(for: ["a"], in: directory.path, watcher)
        try AtomicFile.remove(directory["a"])
        try await wait(for: [], in: directory.path, watcher)
        #expect(unsafe symlink("nowhere", directory["link"]) == 0)
        try await wait(for: ["link"], in: directory.path, watcher)
    }

    @Test func `a file written in place is noticed`() async throws {
        try write("a")
        let watcher = try FileWatcher(directory.path, settle: 0)
        do {
            let file = try OwnedFD.open(directory["a"], O_WRONLY)
            try file.writeAll([1, 2, 3])
        }
        for await _ in watcher.changes { break }
        #expect(try AtomicFile.read(directory["a"]) == [1, 2, 3])
    }

    @Test func `a burst is few notifications and the last one comes after it`() async throws {
        let watcher = try FileWatcher(directory.path, settle: 50)
        for i in 0..<500 { try write("f\(i)") }
        var notifications = 0
        for await _ in watcher.changes {
            notifications += 1
            if try Directory.names(in: directory.path).count == 500 { break }
        }
        #expect(notifications < 20)
    }

    @Test func `a busy directory beside it does not hold the notification back`() async throws {
        try Directory.create(directory["live"])
        let watcher = try FileWatcher(directory["live"])
        let busy = directory["beside"]
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                while !Task.isCancelled {
                    try AtomicFile.write([1], to: busy)
                    await Task.yield()
                }
            }
            try write("live/a")
            try await wait(for: ["a"], in: directory["live"], watcher)
            // Once more: the first look may have come after the file.
            try AtomicFile.remove(directory["live/a"])
            for await _ in watcher.changes { break }
            group.cancelAll()
        }
    }

    @Test func `a directory that is not there yet is found when it comes`() async throws {
        let path = directory["a/b/c"]
        let watcher = try FileWatcher(path, settle: 0)
        try Directory.create(path)
        try write("a/b/c/file")
        try await wait(for: ["file"], in: path, watcher)
    }

    @Test func `a directory that is removed and made again is still watched`() async throws {
        let path = directory["a/b"]
        try Directory.create(path)
        let watcher = try FileWatcher(path, settle: 0)
        for round in 0..<20 {
            try write("a/b/f\(round)")
            try await wait(for: ["f\(round)"], in: path, watcher)
            // Sometimes the one above too.
            try Directory.removeTree(directory[round % 2 == 0 ? "a/b" : "a"])
            try await wait(for: [], in: path, watcher)
            try Directory.create(path)
        }
    }

    @Test func `a directory that another takes the place of is watched from then on`() async throws {
        try Directory.create(directory["live"])
        try Directory.create(directory["next"])
        try write("next/x")
        let watcher = try FileWatcher(directory["live"], settle: 0)
        #expect(unsafe rename(directory["live"], directory["old"]) == 0)
        #expect(unsafe rename(directory["next"], directory["live"]) == 0)
        try await wait(for: ["x"], in: directory["live"], watcher)
        try write("live/y")
        try await wait(for: ["x", "y"], in: directory["live"], watcher)
    }

    @Test func `a symbolic link on the way that points elsewhere is followed`() async throws {
        try Directory.create(directory["one"])
        try Directory.create(directory["two"])
        #expect(unsafe symlink("one", directory["live"]) == 0)
        let watcher = try FileWatcher(directory["live"], settle: 0)
        try write("one/x")
        try await wait(for: ["x"], in: directory["live"], watcher)
        #expect(unsafe symlink("two", directory["new"]) == 0)
        #expect(unsafe rename(directory["new"], directory["live"]) == 0)
        try await wait(for: [], in: directory["live"], watcher)
        try write("two/y")
        try await wait(for: ["y"], in: directory["live"], watcher)
    }

    @Test func `stopping ends the stream`() async throws {
        let watcher = try FileWatcher(directory.path)
        watcher.stop()
        watcher.stop()
        for await _ in watcher.changes {}
    }

    @Test func `releasing the watcher ends the stream`() async throws {
        let changes = try FileWatcher(directory.path).changes
        for await _ in changes {}
    }

    @Test func `a relative path is refused`() {
        #expect(throws: SystemError.self) { _ = try FileWatcher("manifests") }
    }
}

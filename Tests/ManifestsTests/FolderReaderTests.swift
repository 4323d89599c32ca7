// SPDX-License-Identifier: Apache-2.0
import Glibc
import Kernel
import Testing

@testable import Manifests

@Suite(.timeLimit(.minutes(1))) struct FolderReaderTests {
    private func reader(_ fixture: FolderFixture, limit: Int = 1 << 20) -> FolderReader {
        FolderReader(path: fixture.manifests, endings: [".yaml"], sizeLimit: limit)
    }

    /// As if the file had been written long ago.
    private func age(_ fixture: FolderFixture, _ name: String, seconds: Int = 10) throws {
        var times = [timespec(), timespec()]
        unsafe clock_gettime(CLOCK_REALTIME, &times[0])
        times[0].tv_sec -= seconds
        times[1] = times[0]
        let path = "\(fixture.manifests)/\(name)"
        try retrying("utimensat", path) { unsafe utimensat(AT_FDCWD, path, &times, 0) }
    }

    @Test func `a file that was just written waits, and is read when it has come to rest`() async throws {
        let fixture = try FolderFixture()
        var reader = reader(fixture)
        try fixture.write("1", to: "x.yaml")
        var look = try reader.look()
        #expect(look.isUnsettled && look.changed.isEmpty)
        #expect(look.present == ["x.yaml"], "it is not gone either")
        try await eventually("rest") {
            look = try reader.look()
            return !look.isUnsettled
        }
        #expect(look.changed == ["x.yaml": .bytes([0x31])])
        #expect(try reader.look().changed.isEmpty)
    }

    @Test func `a file that never comes to rest is read after twenty looks`() throws {
        let fixture = try FolderFixture()
        var reader = reader(fixture)
        var looks = 0
        repeat {
            try fixture.write("\(looks)", to: "x.yaml")
            looks += 1
        } while try reader.look().isUnsettled && looks < 100
        #expect(looks == 21)
    }

    @Test func `a change is seen even if size and time are the same`() throws {
        let fixture = try FolderFixture()
        var reader = reader(fixture)
        for content in ["1", "2", "2", "1"] {
            try fixture.write(content, to: "x.yaml")
            try age(fixture, "x.yaml", seconds: 1000)
            _ = try reader.look()
        }
        try fixture.write("3", to: "x.yaml")
        try age(fixture, "x.yaml", seconds: 1000)
        #expect(try reader.look().changed == ["x.yaml": .bytes([0x33])])
        #expect(try reader.look().changed.isEmpty)
    }

    @Test func `a pipe does not hold the reader up`() throws {
        let fixture = try FolderFixture()
        let path = fixture.manifests + "/x.yaml"
        try retrying("mkfifo", path) { unsafe mkfifo(path, 0o600) }
        var reader = reader(fixture)
        #expect(try reader.look().changed == ["x.yaml": .unreadable("is not a regular file")])
        #expect(try reader.look().changed.isEmpty, "and is reported once")
    }

    @Test func `a name that is no text is an error, not passed over`() throws {
        let fixture = try FolderFixture()
        // Latin-1, as on a disk that was written elsewhere.
        for name in ["caf\u{e9}.yaml", "\u{e9}.txt", ".caf\u{e9}.yaml"] {
            var path = Array((fixture.manifests + "/").utf8CString.dropLast())
            path += name.unicodeScalars.map { CChar(truncatingIfNeeded: $0.value) } + [0]
            let fd = try retrying("open", name) { unsafe open(path, O_WRONLY | O_CREAT, 0o644) }
            close(fd)
        }
        try fixture.write("1", to: "caf\u{e9}.yaml")
        try age(fixture, "caf\u{e9}.yaml")
        var reader = reader(fixture)
        #expect(
            try reader.look().changed == [
                "caf\u{e9}.yaml": .bytes([0x31]), "caf\\xE9.yaml": .unreadable("its name is not UTF-8: rename it"),
            ])
        let look = try reader.look()
        #expect(look.changed.isEmpty, "and is reported once")
        #expect(look.present == ["caf\u{e9}.yaml", "caf\\xE9.yaml"])
    }

    @Test func `a file that is too large is not read`() throws {
        let fixture = try FolderFixture()
        try fixture.write(String(repeating: "x", count: (1 << 20) + 1), to: "x.yaml")
        try age(fixture, "x.yaml")
        var reader = reader(fixture)
        #expect(try reader.look().changed == ["x.yaml": .unreadable("is larger than 1 MiB")])
        try fixture.write(String(repeating: "x", count: 1 << 20), to: "x.yaml")
        try age(fixture, "x.yaml")
        #expect(try reader.look().changed.count == 1)
    }

    @Test func `a folder that can't be listed is an error that forgets nothing`() throws {
        let fixture = try FolderFixture()
        try fixture.write("1", to: "x.yaml")
        try age(fixture, "x.yaml")
        var reader = reader(fixture)
        _ = try reader.look()
        try fixture.move("", to: "../away")
        #expect(throws: SystemError.self) { try reader.look() }
        try fixture.move("../away", to: "")
        #expect(try reader.look().changed.isEmpty)
    }
}

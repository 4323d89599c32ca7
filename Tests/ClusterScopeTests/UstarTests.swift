// SPDX-License-Identifier: Apache-2.0
import KubeTestSupport
import Subprocess
import SystemPackage
import Testing

@testable import ClusterScope

@Suite struct UstarTests {
    static let names = [
        "short", "a/b/c.json", String(repeating: "x", count: 100), String(repeating: "x", count: 101),
        "root/" + String(repeating: "y", count: 94) + "/" + String(repeating: "z", count: 100),
        String(repeating: "a/", count: 77) + "b/" + String(repeating: "z", count: 99),
        "logs/" + String(repeating: "p", count: 253) + "/container.previous.log",
        "ünïcode/" + String(repeating: "ü", count: 80),
    ]

    @Test(arguments: names) func `tar unpacks what was packed, whatever its name`(name: String) async throws {
        try await withTemporaryFolder { folder in
            let archive = FilePath("\(folder.path)/a.tar")
            var sink = try ArchiveSink(archive, root: "top", time: 1_700_000_000)
            try sink.add("first", Array("one".utf8))
            try sink.add(name, Array("contents of \(name)".utf8))
            try sink.add("last", [])
            try sink.finish()
            let list = try await run(
                .name("tar"), arguments: ["-tf", archive.string, "--quoting-style=literal"],
                environment: .inherit.updating(["LC_ALL": "C.UTF-8"]), output: .string(limit: 1 << 20),
                error: .string(limit: 1 << 20))
            #expect(list.terminationStatus.isSuccess)
            #expect(list.standardError == "")
            #expect(list.standardOutput == "top/first\ntop/\(name)\ntop/last\n")
            let unpacked = try await run(
                .name("tar"), arguments: ["-xOf", archive.string, "top/\(name)"], output: .string(limit: 1 << 20))
            #expect(unpacked.standardOutput == "contents of \(name)")
        }
    }

    @Test(arguments: [0, 1, 511, 512, 513, 2_000]) func `an entry is whole blocks of 512 bytes`(size: Int) throws {
        let entry = try Ustar.entry("name", [UInt8](repeating: 7, count: size), time: 0)
        #expect(entry.count == 512 + (size + 511) / 512 * 512)
        #expect(entry[512...].count { $0 == 7 } == size)
    }

    @Test func `an archive replaces nothing`() async throws {
        try await withTemporaryFolder { folder in
            let path = try folder.write("a.tar", "mine")
            #expect(throws: DumpError.self) { try ArchiveSink(FilePath(path), root: "x", time: 0) }
            #expect(folder.read("a.tar") == Array("mine".utf8))
            #expect(throws: DumpError.self) { try FolderSink(FilePath(folder.path)) }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0
import BPF
import Glibc
import Kernel
import TestSupport
import Testing

/// 8 bytes, as `struct settings` below.
private struct Settings {
    var answer: UInt32
    var extra: UInt32
}

/// Compiles a small object file once; nil without a clang that knows the BPF target.
private enum Sample {
    static let source = """
        #include <linux/bpf.h>
        #include <bpf/bpf_helpers.h>
        struct settings { __u32 answer, extra; };
        const volatile struct settings settings SEC(".rodata.config") = { 1, 2 };
        struct { __uint(type, BPF_MAP_TYPE_HASH); __type(key, __u32); __type(value, __u64);
            __uint(max_entries, 10); } table SEC(".maps");
        SEC("tc") int answer(struct __sk_buff *skb)
        {
            __u32 key = 5;
            __u64 *value = bpf_map_lookup_elem(&table, &key);
            return value ? *value : settings.answer + settings.extra;
        }
        SEC("tc") int broken(struct __sk_buff *skb)
        {
            __u32 key = 5;
            return *(__u64 *)bpf_map_lookup_elem(&table, &key);
        }
        char _license[] SEC("license") = "GPL";
        """

    static let object: [UInt8]? = {
        guard let directory = try? TemporaryDirectory() else { return nil }
        let path = directory.file("sample.bpf.o")
        let search = unsafe getenv("PATH").map { unsafe String(cString: $0) } ?? "/usr/bin:/bin"
        var name = utsname()
        unsafe uname(&name)
        let machine = unsafe withUnsafeBytes(of: name.machine) {
            unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
        }
        let run = try? ChildProcess.run(
            "clang",
            [
                "-O2", "-g", "-target", "bpf", "-x", "c", "-", "-c", "-o", path, "-idirafter",
                "/usr/include/\(machine)-linux-gnu",
            ],
            environment: ["PATH": search, "TMPDIR": directory.path], input: source)
        guard run?.isSuccess == true, let file = try? OwnedFD.open(path, O_RDONLY) else { return nil }
        return try? file.readAll()
    }()
}

@Suite(
    .enabled(if: geteuid() == 0, "needs root"), .enabled(if: Sample.object != nil, "needs clang with the BPF target"))
struct BPFObjectTests {
    private let directory: TemporaryDirectory
    private let path: String

    init() throws {
        directory = try TemporaryDirectory()
        path = directory.file("sample.bpf.o")
        let file = try OwnedFD.open(path, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        try file.writeAll(#require(Sample.object))
    }

    private func spec() throws -> BPFSpec {
        var spec = try BPFSpec(path: path)
        try spec.disable(program: "broken")
        return spec
    }

    @Test func `a file lists its maps and programs before it is loaded`() throws {
        let spec = try spec()
        #expect(spec.programNames == ["answer", "broken"])
        let table = try #require(spec.maps.first { $0.name == "table" })
        #expect(table.type == .hash && table.keySize == 4 && table.valueSize == 8 && table.maxEntries == 10)
        #expect(spec.maps.contains { $0.name == ".rodata.config" && $0.valueSize == 8 })
    }

    @Test func `settings are what the program sees`() throws {
        #expect(try spec().load().program("answer").testRun(frame).verdict == 3)
        var spec = try spec()
        try spec.setConfig(Settings(answer: 40, extra: 2))
        let object = try spec.load()
        #expect(try object.program("answer").testRun(frame).verdict == 42)
        let table: BPFMap<UInt32, UInt64> = try object.map("table")
        try table.update(5, 7)
        #expect(try object.program("answer").testRun(frame).verdict == 7)
    }

    @Test func `settings of another size are refused`() throws {
        var spec = try spec()
        #expect {
            try spec.setConfig(UInt32(1))
        } throws: { "\($0)".hasSuffix("section .rodata.config has 8 bytes, not 4") }
        #expect { try spec.setConfig(UInt32(1), section: ".rodata.none") } throws: {
            "\($0)".hasSuffix("no such map .rodata.none")
        }
    }

    @Test func `maps are made with the size and flags that were asked for`() throws {
        var spec = try spec()
        try spec.resize(map: "table", maxEntries: 77)
        try spec.setFlags(map: "table", .noPreallocation)
        #expect(spec.maps.first { $0.name == "table" }?.maxEntries == 77)
        let table = try spec.load().map("table", as: BPFMap<UInt32, UInt64>.self)
        #expect(table.maxEntries == 77)
        #expect(table.info.flags == .noPreallocation)
        #expect(table.name == "table")
    }

    @Test func `a program works on an existing map of another name`() throws {
        let existing = try BPFMap<UInt32, UInt64>(creating: .hash, name: "existing", maxEntries: 3)
        try existing.update(5, 99)
        var spec = try spec()
        try spec.reuse(map: "table", existing)
        let object = try spec.load()
        #expect(try object.program("answer").testRun(frame).verdict == 99)
        #expect(try object.map("table", as: BPFMap<UInt32, UInt64>.self).info.id == existing.info.id)
    }

    @Test func `an existing map of another layout is refused before loading`() throws {
        let existing = try BPFMap<UInt64, UInt64>(creating: .lruHash, name: "existing", maxEntries: 3)
        var spec = try spec()
        #expect {
            try spec.reuse(map: "table", existing)
        } throws: {
            "\($0)" == "cannot use an existing map for table: it is lru_hash with 8 + 8 bytes, not hash with 4 + 8"
        }
    }

    @Test func `a pinned map is made once and found again`() throws {
        let pins = try TemporaryDirectory.forPins()
        func load() throws -> UInt32 {
            var spec = try spec()
            try spec.pin(map: "table", at: pins.file("table"))
            let table = try spec.load().map("table", as: BPFMap<UInt32, UInt64>.self)
            try table.update(UInt32(table.count()), 1)
            return table.info.id
        }
        #expect(try load() == load())
        #expect(try BPFMap<UInt32, UInt64>(pinned: pins.file("table")).count() == 2)
    }

    @Test func `what the file does not have is named`() throws {
        let object = try spec().load()
        #expect { _ = try object.program("nothing") } throws: { "\($0)".hasSuffix("no such program nothing") }
        #expect { _ = try object.program("broken") } throws: { "\($0)".hasSuffix("no such loaded program broken") }
        #expect { _ = try object.map("nothing", as: MapHandle.self) } throws: {
            "\($0)".hasSuffix("no such map nothing")
        }
        #expect { _ = try object.map("table", as: BPFMap<UInt64, UInt64>.self) } throws: {
            "\($0)".hasSuffix("map table: keys have 4 bytes, not 8")
        }
    }

    @Test func `a refused program comes with the end of the verifier's log`() throws {
        #expect {
            _ = try BPFObject(loading: path)
        } throws: { error in
            guard let error = error as? BPFError else { return false }
            return error.errno == .access && error.subject == "object file \(path)"
                && error.log.contains("invalid mem access 'map_value_or_null'") && error.log.contains("prog 'broken'")
                && error.log.utf8.count <= 4096
        }
    }
}

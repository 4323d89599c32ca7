// SPDX-License-Identifier: Apache-2.0
import NetTypes
import Synchronization
import Testing

@testable import Manifests

@Suite struct DenyListParserTests {
    private func parse(_ text: String) -> DenyListParser.Result {
        DenyListParser.parse(Array(text.utf8), file: "x.list")
    }

    @Test func `prefixes and addresses are read, once each and in order`() {
        let result = parse(
            """
            # a comment
            198.51.100.0/24
              10.0.0.1  # a host

            2001:db8::/32\t# documentation
            10.0.0.1/32\r
            ::1
            0.0.0.0/0
            """)
        #expect(result.errors.isEmpty)
        #expect(
            result.prefixes.map(\.description) == [
                "::1/128", "0.0.0.0/0", "10.0.0.1/32", "198.51.100.0/24", "2001:db8::/32",
            ])
    }

    @Test(arguments: [
        ("10.0.0.1/33", "x.list:2: \"10.0.0.1/33\" is neither an address nor a prefix"),
        ("10.0.0.1 10.0.0.2", "x.list:2: \"10.0.0.1 10.0.0.2\" is neither an address nor a prefix"),
        ("example.com", "x.list:2: \"example.com\" is neither an address nor a prefix"),
        ("10.0.0.1/", "x.list:2: \"10.0.0.1/\" is neither an address nor a prefix"),
        ("10.0.0.1/24", "x.list:2: 10.0.0.1/24 has bits set after its length: is 10.0.0.0/24 meant, or 10.0.0.1?"),
        (
            "2001:db8::1/64",
            "x.list:2: 2001:db8::1/64 has bits set after its length: is 2001:db8::/64 meant, or 2001:db8::1?"
        ),
    ])
    func `a wrong line is named`(line: String, expected: String) {
        let result = parse("10.1.0.0/16\n  \(line)\n10.2.0.0/16\n")
        #expect(result.errors.map(\.description) == [expected])
        #expect(result.errors.map(\.column) == [3])
    }

    @Test func `a file that is no list gives a few errors, not all`() {
        let result = parse(String(repeating: "junk\n", count: 1000))
        #expect(result.errors.count == 21)
        #expect(result.errors.last?.message == "980 more lines are wrong")
    }

    @Test func `a hundred thousand lines are all there`() {
        var text = ""
        for number in 0..<100_000 { text += "\(IPAddress(v4: 0x0a00_0000 + UInt32(number) << 4))/28\n" }
        let result = parse(text)
        #expect(result.errors.isEmpty)
        #expect(result.prefixes.count == 100_000)
        #expect(result.prefixes.last?.description == "10.24.105.240/28")
    }
}

private final class Latest: Sendable {
    private let groups = Mutex<[DenyGroup]?>(nil)

    func set(_ groups: [DenyGroup]) {
        self.groups.withLock { $0 = groups }
    }

    /// nil before the first state.
    var text: String? {
        groups.withLock { groups in
            groups?.map { "\($0.name): \($0.prefixes.map(\.description).joined(separator: " "))" }
                .joined(separator: "; ")
        }
    }
}

@Suite(.timeLimit(.minutes(1))) struct DenyListSourceTests {
    /// Runs a source on the fixture's folders; `body` gets it and a function for the groups as they are.
    private func run(
        _ fixture: FolderFixture, body: (DenyListSource, @Sendable () -> String?) async throws -> Void
    ) async throws {
        let source = DenyListSource(
            folder: fixture.manifests, lastGoodDirectory: fixture.lastGood, logger: fixture.logger)
        let latest = Latest()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await source.run() }
            group.addTask {
                for await groups in source.states { latest.set(groups) }
            }
            try await eventually("first state") { latest.text != nil }
            try await body(source) { latest.text }
            group.cancelAll()
            try await group.waitForAll()
        }
    }

    @Test func `every list is a group, and the groups follow the files`() async throws {
        let fixture = try FolderFixture()
        try fixture.write("10.0.0.0/8\n", to: "b.list")
        try fixture.write("::1\n", to: "a.list")
        try fixture.write("junk\n", to: "c.txt")
        try await run(fixture) { source, groups in
            #expect(groups() == "a: ::1/128; b: 10.0.0.0/8")
            try fixture.replace("b.list", with: "10.0.0.0/8\n11.0.0.0/8\n")
            try await eventually("change") { groups() == "a: ::1/128; b: 10.0.0.0/8 11.0.0.0/8" }
            try fixture.delete("a.list")
            try await eventually("removal") { groups() == "b: 10.0.0.0/8 11.0.0.0/8" }
            try fixture.write("# none\n", to: "b.list")
            try await eventually("empty group") { groups() == "b: " }
            #expect(source.errors.isEmpty)
        }
    }

    @Test func `an empty folder is a state too`() async throws {
        try await run(FolderFixture()) { source, groups in
            #expect(groups() == "")
            #expect(source.errors.isEmpty)
        }
    }

    @Test func `a broken line leaves its group as it was, and no other, also after a restart`() async throws {
        let fixture = try FolderFixture()
        try fixture.write("10.0.0.0/8\n", to: "a.list")
        try await run(fixture) { source, groups in
            try fixture.write("11.0.0.0/8\njunk\n", to: "a.list")
            try fixture.write("12.0.0.0/8\n", to: "b.list")
            try await eventually("b") { groups() == "a: 10.0.0.0/8; b: 12.0.0.0/8" }
            try await eventually("error") { source.errors.map(\.line) == [2] }
        }
        try await run(fixture) { source, groups in
            #expect(groups() == "a: 10.0.0.0/8; b: 12.0.0.0/8")
            try fixture.write("11.0.0.0/8\n", to: "a.list")
            try await eventually("fixed") { groups() == "a: 11.0.0.0/8; b: 12.0.0.0/8" }
            #expect(source.errors.isEmpty)
        }
        #expect(fixture.log.lines.count { $0.contains("junk") } == 3, "appeared twice, resolved once")
    }
}

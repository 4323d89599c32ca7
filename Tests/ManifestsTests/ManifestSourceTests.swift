// SPDX-License-Identifier: Apache-2.0
import Testing

@testable import Manifests

@Suite(.timeLimit(.minutes(1))) struct ManifestSourceTests {
    @Test func `the first batch is all there is, even if that is nothing`() async throws {
        try await Follower.run(FolderFixture()) { follower in
            #expect(follower.batches == [[]])
            #expect(follower.errors.isEmpty)
        }
    }

    @Test func `the first batch has everything of every file, and nothing else`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podsText(("a", "1"), ("b", "2")), to: "x.yaml")
        try fixture.write(policyText("podSelector: {}"), to: "y.yml")
        try fixture.write(
            "{\"apiVersion\": \"v1\", \"kind\": \"Namespace\", \"metadata\": {\"name\": \"n\"}}", to: "z.json")
        try fixture.write(podText("no"), to: ".hidden.yaml")
        try fixture.write(podText("no"), to: "x.yaml~")
        try fixture.write(podText("no"), to: "readme.txt")
        try fixture.makeFolder("sub")
        try fixture.write(podText("no"), to: "sub/x.yaml")
        try await Follower.run(fixture) { follower in
            #expect(follower.batches == [["n", "a=1", "b=2", "web"]])
            #expect(follower.errors.isEmpty)
        }
    }

    @Test func `later batches are only what changed`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podsText(("a", "1"), ("b", "1")), to: "x.yaml")
        try await Follower.run(fixture) { follower in
            try fixture.write(podsText(("b", "2"), ("c", "1")), to: "x.yaml")
            try await eventually("change") { follower.batches.count == 2 }
            #expect(follower.batches.last == ["b=2", "c=1", "-a"])
            try fixture.write("# the same\n" + podsText(("c", "1"), ("b", "2")), to: "x.yaml")
            try fixture.write(podText("d"), to: "y.yaml")
            try await eventually("change") { follower.pods == "b=2 c=1 d=1" }
            try fixture.delete("x.yaml")
            try await eventually("removal") { follower.pods == "d=1" }
            #expect(follower.batches.dropFirst(2) == [["d=1"], ["-b", "-c"]])
        }
    }

    @Test func `a file that a rename replaced is read`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podText("a"), to: "x.yaml")
        try await Follower.run(fixture) { follower in
            for value in ["2", "3"] {
                try fixture.replace("x.yaml", with: podText("a", value))
                try await eventually("replaced") { follower.pods == "a=\(value)" }
            }
            try fixture.move("x.yaml", to: "y.yaml")
            try await follower.barrier()
            #expect(follower.pods == "a=3")
            try fixture.move("y.yaml", to: "y.bak")
            try await eventually("renamed away") { follower.pods == "" }
            #expect(follower.batches.count == 5, "the rename of the file changed nothing: \(follower.batches)")
        }
    }

    @Test func `the versions of a ConfigMap's mount are switched by a symbolic link`() async throws {
        let fixture = try FolderFixture()
        for version in ["1", "2"] {
            try fixture.makeFolder("..\(version)")
            try fixture.write(podText("a", version), to: "..\(version)/x.yaml")
        }
        try fixture.write(podText("b"), to: "..2/y.yaml")
        try fixture.link("..data", to: "..1")
        try fixture.link("x.yaml", to: "..data/x.yaml")
        try fixture.link("y.yaml", to: "..data/y.yaml")
        try await Follower.run(fixture) { follower in
            #expect(follower.pods == "a=1", "y.yaml leads to nowhere")
            #expect(follower.errors.isEmpty)
            try fixture.link("..data_tmp", to: "..2")
            try fixture.move("..data_tmp", to: "..data")
            try await eventually("second version") { follower.pods == "a=2 b=1" }
        }
    }

    @Test func `a broken document changes nothing until it is fixed, and is logged once`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podsText(("a", "1"), ("b", "1")), to: "x.yaml")
        try await Follower.run(fixture) { follower in
            let broken = podText("a", "2") + "---\napiVersion: v1\nkind: Pod\nmetadata:\n  name: b\n  lables: {}\n"
            let error =
                "x.yaml:9: Pod default/b: metadata.lables: unknown field; did you mean \"labels\"?"
            try fixture.write(broken, to: "x.yaml")
            try await eventually("error") { follower.errors == [error] }
            try await follower.barrier()
            #expect(follower.pods == "a=2 b=1")
            try fixture.write("# moved\n" + broken, to: "x.yaml")
            try await eventually("the new place of the error") { follower.source.errors.first?.line == 10 }
            try fixture.write(podText("a", "3"), to: "x.yaml")
            try await eventually("fixed") { follower.pods == "a=3" }
            #expect(follower.errors.isEmpty)
        }
        let lines = fixture.log.lines.filter { $0.contains("lables") }
        #expect(lines.map { $0.prefix { $0 != ":" } } == ["warning", "notice"], "\(lines)")
    }

    @Test(arguments: ["", "kind: [", "a: b\n c", "\u{0}"])
    func `a file that is cut off or no YAML at all changes nothing`(text: String) async throws {
        let fixture = try FolderFixture()
        try fixture.write(podsText(("a", "1")), to: "x.yaml")
        try await Follower.run(fixture) { follower in
            let whole = podText("a", "2")
            try fixture.write(String(whole.dropLast(4)) + text, to: "x.yaml")
            try await eventually("error") { !follower.errors.isEmpty }
            try await follower.barrier()
            #expect(follower.pods == "a=1")
            try fixture.write(whole, to: "x.yaml")
            try await eventually("whole again") { follower.pods == "a=2" }
            #expect(follower.errors.isEmpty)
        }
    }

    @Test func `a file that can't be read changes nothing`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podText("a"), to: "x.yaml")
        try await Follower.run(fixture) { follower in
            try fixture.move("x.yaml", to: "x.bak")
            try await eventually("gone") { follower.pods == "" }
            try fixture.move("x.bak", to: "x.yaml")
            try await eventually("back") { follower.pods == "a=1" }
            try fixture.makeFolder("folder")
            try fixture.link(".next", to: "folder")
            try fixture.move(".next", to: "x.yaml")
            try await eventually("error") { follower.errors == ["x.yaml: is not a regular file"] }
            try await follower.barrier()
            #expect(follower.pods == "a=1")
            try fixture.delete("x.yaml")
            try await eventually("gone") { follower.pods == "" }
            #expect(follower.errors.isEmpty)
        }
    }

    @Test func `a folder that goes changes nothing, and is read when it is back`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podText("a"), to: "x.yaml")
        try await Follower.run(fixture) { follower in
            try fixture.move("", to: "../manifests-away")
            try await eventually("error") { follower.errors.count == 1 }
            #expect(follower.errors.first?.hasPrefix("the folder \(fixture.manifests) can't be read: ") == true)
            #expect(follower.pods == "a=1" && follower.batches.count == 1)
            try fixture.move("../manifests-away", to: "")
            try fixture.write(podText("a", "2"), to: "x.yaml")
            try await eventually("read again") { follower.pods == "a=2" }
            #expect(follower.errors.isEmpty)
        }
    }

    @Test func `objects of two files are told apart, and one that moves is never gone`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podsText(("a", "1"), ("b", "1")), to: "x.yaml")
        try await Follower.run(fixture) { follower in
            try fixture.write(podText("a", "2"), to: "c.yaml")
            try await eventually("error") {
                follower.errors == ["c.yaml:1: Pod default/a: x.yaml:1 defines it too, and is what stays in force"]
            }
            try fixture.write(podText("b"), to: "x.yaml")
            try await eventually("taken over") { follower.pods == "a=2 b=1" }
            #expect(follower.errors.isEmpty)
            #expect(!follower.batches.joined().contains("-a"))
        }
    }

    @Test func `other kinds are mentioned at info level only`() async throws {
        let fixture = try FolderFixture()
        try fixture.write("apiVersion: v1\nkind: ConfigMap\n", to: "x.yaml")
        try await Follower.run(fixture) { #expect($0.errors.isEmpty) }
        #expect(fixture.log.lines == ["info: manifest of a kind that is not used: v1 ConfigMap"])
    }
}

@Suite(.timeLimit(.minutes(1))) struct ManifestRestartTests {
    private let broken = podText("a", "2") + "---\nkind: [\n"

    @Test func `a file that broke while nobody looked is in force as it last was`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podsText(("a", "1"), ("b", "1")), to: "x.yaml")
        try await Follower.run(fixture) { #expect($0.pods == "a=1 b=1") }
        try fixture.write(broken, to: "x.yaml")
        for _ in 0..<2 {
            try await Follower.run(fixture) { follower in
                #expect(follower.batches == [["a=2", "b=1"]])
                #expect(follower.errors.count == 1)
            }
        }
        try fixture.write(podText("c"), to: "x.yaml")
        try await Follower.run(fixture) { #expect($0.batches == [["c=1"]]) }
        try fixture.write(broken, to: "x.yaml")
        try await Follower.run(fixture) { #expect($0.batches == [["a=2", "c=1"]]) }
    }

    @Test func `a version that came while running is remembered too`() async throws {
        let fixture = try FolderFixture()
        try await Follower.run(fixture) { follower in
            try fixture.write(podText("a"), to: "x.yaml")
            try await eventually("read") { follower.pods == "a=1" }
            try fixture.write("kind: [", to: "x.yaml")
            try await eventually("broken") { !follower.errors.isEmpty }
        }
        try await Follower.run(fixture) { #expect($0.batches == [["a=1"]]) }
    }

    @Test func `a file that was removed while nobody looked is gone for good`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podText("a"), to: "x.yaml")
        try await Follower.run(fixture) { #expect($0.pods == "a=1") }
        try fixture.delete("x.yaml")
        try await Follower.run(fixture) { #expect($0.batches == [[]]) }
        try fixture.write(podText("c") + "---\nkind: [\n", to: "x.yaml")
        try await Follower.run(fixture) { #expect($0.batches == [["c=1"]]) }
    }

    @Test func `a folder that is gone after a restart leaves in force what was`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podText("a"), to: "x.yaml")
        try fixture.write(podText("b"), to: "y.yaml")
        try await Follower.run(fixture) { #expect($0.pods == "a=1 b=1") }
        try fixture.move("", to: "../manifests-away")
        try await Follower.run(fixture) { follower in
            #expect(follower.batches == [["a=1", "b=1"]])
            #expect(follower.errors.count == 1)
            try fixture.delete("../manifests-away/x.yaml")
            try fixture.move("../manifests-away", to: "")
            try await eventually("x.yaml is gone") { follower.pods == "b=1" }
            #expect(follower.errors.isEmpty)
        }
    }

    @Test func `which of two files defines an object does not change with a restart`() async throws {
        let fixture = try FolderFixture()
        try fixture.write(podText("a", "1"), to: "x.yaml")
        try await Follower.run(fixture) { follower in
            try fixture.write(podText("a", "2"), to: "b.yaml")
            try await eventually("error") { follower.source.errors.map(\.file) == ["b.yaml"] }
        }
        try await Follower.run(fixture) { follower in
            #expect(follower.batches == [["a=1"]])
            #expect(follower.source.errors.map(\.file) == ["b.yaml"])
        }
    }
}
